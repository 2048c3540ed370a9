#pragma once

#include <torch/types.h>

namespace ddpm::ops {

struct GroupNormOptions {
  std::int64_t groups = 32;  // divides C
  double epsilon = 1e-6;     // added to the variance
  bool silu = false;         // apply x * sigmoid(x) to the result
};

// Group normalisation of x [N,C,H,W] over (C/groups, H, W) with weight and bias [C], then SiLU if
// asked. Wu and He, "Group Normalization"; Ramachandran et al. (Swish). Keeps the memory format of
// x.
torch::Tensor group_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, const GroupNormOptions& options);

}  // namespace ddpm::ops
