#include "kernels.h"

#include <cassert>
#include <cstdlib>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/kernels/device.h"

#if DDPM_WITH_KERNELS
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm::ops {
namespace {

bool decide(torch::Device device) {
  const char* wish = std::getenv("DDPM_KERNELS");
  if (wish != nullptr && std::string_view(wish) == "0") {
    log_info("kernels: off, by DDPM_KERNELS=0 in the environment");
    return false;
  }
  if (kernels::available(device.index())) return true;
  log_warning(
      "kernels: this program has none for {}; LibTorch's own operators do the work, several times "
      "slower. Build it on this machine, with a CUDA toolkit (scripts/setup.sh), or set "
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

kernels::Type type_of(const torch::Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 ? kernels::Type::kBFloat16 : kernels::Type::kFloat32;
}

kernels::Stream stream_of([[maybe_unused]] const torch::Tensor& x) {
#if DDPM_WITH_KERNELS
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
#else
  return nullptr;
#endif
}

kernels::RandomSource source_of(const Draw& draw) {
  if (!draw.position.defined()) throw Error(ExitCode::kFailure, "a draw without a position");
  return {.seed = draw.key.seed,
          .stream = static_cast<std::uint32_t>(draw.key.stream),
          .position = draw.position.const_data_ptr<std::int64_t>()};
}

torch::Tensor channels_last(const torch::Tensor& x) {
  assert(x.is_contiguous(torch::MemoryFormat::ChannelsLast));
  return x.contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor workspace(std::int64_t elements, const torch::Tensor& like) {
  return torch::empty({elements}, like.options().dtype(torch::kFloat32));
}

}  // namespace ddpm::ops
