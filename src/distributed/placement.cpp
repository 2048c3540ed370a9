#include "ddpm/distributed/placement.h"

#include <torch/cuda.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/machine.h"
#include "ddpm/kernels/device.h"

namespace ddpm {

std::string device_of(const std::string& wanted, const World& world) {
  if (world.size == 1 || (wanted != "auto" && wanted != "cuda")) return wanted;
  const auto gpus = static_cast<std::int64_t>(torch::cuda::device_count());
  return gpus == 0 ? wanted : format_text("cuda:{}", world.local_rank % gpus);
}

std::int64_t threads_of(std::int64_t wanted, const World& world) {
  if (wanted > 0 || world.size == 1) return wanted;
  if (const char* chosen = std::getenv("OMP_NUM_THREADS"); chosen != nullptr && *chosen != '\0') {
    const bool by_torchrun = is_set("TORCHELASTIC_RUN_ID") && std::string_view(chosen) == "1";
    if (!by_torchrun) return 0;
  }
  return std::max<std::int64_t>(usable_cores() / world.local_size, 1);
}

void require_own_gpus(ProcessGroup& group, torch::Device device) {
  const std::string own = device.is_cuda() ? kernels::unique_id(device.index()) : "";
  const std::vector<std::string> all = group.collect("gpu", own);
  const auto rank = static_cast<std::size_t>(group.world().rank);
  const auto first = static_cast<std::size_t>(std::ranges::find(all, own) - all.begin());
  if (own.empty() || first == rank) return;
  throw DeviceError(format_text(
      "ranks {} and {} use the same GPU ({} on {}): start at most as many processes on a machine as it has GPUs",
      first, rank, device.str(), host_name()));
}

}  // namespace ddpm
