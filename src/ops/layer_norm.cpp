#include "ddpm/ops/layer_norm.h"

namespace ddpm::ops {

torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, double epsilon) {
  return torch::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

}  // namespace ddpm::ops
