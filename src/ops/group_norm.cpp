#include "ddpm/ops/group_norm.h"

namespace ddpm::ops {

torch::Tensor group_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, const GroupNormOptions& options) {
  const torch::Tensor normed = torch::group_norm(x, options.groups, weight, bias, options.epsilon);
  return options.silu ? torch::silu(normed) : normed;
}

}  // namespace ddpm::ops
