#include "ddpm/device/kernels.h"

#include <cstdlib>
#include <string_view>

#include "ddpm/base/log.h"
#include "ddpm/kernels/device.h"

namespace ddpm {
namespace {

bool decide(torch::Device device) {
  const char* wish = std::getenv("DDPM_KERNELS");
  if (wish != nullptr && std::string_view(wish) == "0") {
    log_info("kernels: off, because DDPM_KERNELS=0 is set");
    return false;
  }
  if (kernels::available(device.index())) return true;
  log_warning(
      "kernels: this program has none for {}, so LibTorch's operators do the work, several times "
      "slower. Build it on this machine with a CUDA toolkit (scripts/setup.sh), or set "
      "DDPM_CUDA_ARCHITECTURES",
      device.str());
  return false;
}

}  // namespace

bool use_kernels(torch::Device device) {
  if (!device.is_cuda()) return false;
  static const bool decision = decide(device);  // a process uses one GPU
  return decision;
}

bool use_kernels(const torch::Tensor& x) {
  const bool has_type = x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16;
  return has_type && use_kernels(x.device());
}

}  // namespace ddpm
