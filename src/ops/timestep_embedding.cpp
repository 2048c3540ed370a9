#include "ddpm/ops/timestep_embedding.h"

#include <cmath>

#include "ddpm/kernels/timestep_embedding.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

torch::Tensor embedding_by_kernel(const torch::Tensor& t, const TimestepEmbeddingOptions& options) {
  torch::Tensor y = torch::empty({t.size(0), options.width}, t.options().dtype(torch::kFloat32));
  const kernels::TimestepEmbeddingShape shape{.n = t.size(0),
                                              .width = options.width,
                                              .t_stride = t.stride(0),
                                              .cosine_first = options.cosine_first,
                                              .half_minus_one = options.half_minus_one};
  const auto embed = [&](const auto* times) {
    kernels::timestep_embedding(times, y.data_ptr<float>(), shape, stream_of(t));
  };
  if (t.scalar_type() == torch::kInt64)
    embed(t.const_data_ptr<std::int64_t>());
  else
    embed(t.const_data_ptr<float>());
  return y;
}

}  // namespace

torch::Tensor timestep_embedding(const torch::Tensor& t, const TimestepEmbeddingOptions& options) {
  const bool kernel_takes = t.scalar_type() == torch::kInt64 || t.scalar_type() == torch::kFloat32;
  if (kernel_takes && use_kernels(t.device())) return embedding_by_kernel(t, options);
  const auto dtype = t.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const std::int64_t half = options.width / 2;
  const double divisor = static_cast<double>(options.half_minus_one ? half - 1 : half);
  const torch::Tensor exponents =
      torch::arange(half, torch::TensorOptions().dtype(dtype).device(t.device()));
  const torch::Tensor frequencies = (exponents * (-std::log(10000.0) / divisor)).exp();
  const torch::Tensor angles = t.to(dtype).unsqueeze(1) * frequencies.unsqueeze(0);
  const torch::Tensor blocks = options.cosine_first ? torch::cat({angles.cos(), angles.sin()}, 1)
                                                    : torch::cat({angles.sin(), angles.cos()}, 1);
  return options.width % 2 == 0 ? blocks : torch::constant_pad_nd(blocks, {0, 1});
}

}  // namespace ddpm::ops
