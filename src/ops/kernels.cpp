#include "kernels.h"

#include <cassert>

#include "ddpm/base/error.h"

#if DDPM_WITH_KERNELS
#include <c10/cuda/CUDAStream.h>
#endif

namespace ddpm::ops {

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
