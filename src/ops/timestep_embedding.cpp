#include "ddpm/ops/timestep_embedding.h"

#include <cmath>

namespace ddpm::ops {

torch::Tensor timestep_embedding(const torch::Tensor& t, const TimestepEmbeddingOptions& options) {
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
