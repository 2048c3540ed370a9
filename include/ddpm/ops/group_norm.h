#pragma once

#include <torch/types.h>

#include <optional>

#include "ddpm/ops/random.h"

namespace ddpm::ops {

struct GroupNormOptions {
  std::int64_t groups = 32;       // divides C
  double epsilon = 1e-6;          // added to the variance
  bool silu = false;              // apply x * sigmoid(x) to the result
  double dropout = 0;             // then drop elements with this probability (ops/dropout.h)
  std::optional<Draw> draw = {};  // of the dropout; none: nothing is dropped
};

// What is normalised: the channels of x and then those of `skip`, shifted.
struct GroupNormInput {
  torch::Tensor x;           // [N,C1,H,W]
  torch::Tensor skip = {};   // [N,C2,H,W] or undefined: features that join on the way up
  torch::Tensor shift = {};  // [N,C1+C2] or undefined: added to every pixel first;
                             // rows may lie apart
};

struct GroupNormOutput {
  torch::Tensor y;  // [N,C,H,W], C = C1 + C2
  // The input without shift, for those who use it beside the norm, a shortcut for example: their
  // gradients are then added in the norm's own backward pass. Either the two tensors that came in
  // or, where the reference computes, their concatenation as `x`.
  torch::Tensor x, skip;
};

// Group normalisation over (C/groups, H, W) with weight and bias [C], then SiLU and dropout if
// asked. Wu and He, "Group Normalization"; Ramachandran et al. (Swish). Memory stays channels last.
GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options);

namespace reference {
// The same by LibTorch's operators.
GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options);
}  // namespace reference

}  // namespace ddpm::ops
