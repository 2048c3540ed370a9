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
  std::optional<Draw> draw = {};  // random numbers of the dropout; none: nothing is dropped
};

// The input of the norm: the channels of x, then those of `skip`, plus the shift.
struct GroupNormInput {
  torch::Tensor x;           // [N,C1,H,W]
  torch::Tensor skip = {};   // [N,C2,H,W] or undefined: features that join on the way up
  torch::Tensor shift = {};  // [N,C1+C2] or undefined: added to every pixel first;
                             // there may be gaps between its rows
};

struct GroupNormOutput {
  torch::Tensor y;  // [N,C,H,W], C = C1 + C2
  // The input without shift, for others that use it too, such as a shortcut: the norm's backward
  // pass then adds their gradients itself. These are the two input tensors or, in the reference,
  // their concatenation as `x`.
  torch::Tensor x, skip;
};

// Group normalisation over (C/groups, H, W) with weight and bias [C], then SiLU and dropout if the
// options say so. Wu and He, "Group Normalization"; Ramachandran et al. (Swish). Memory stays
// channels last.
GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options);

namespace reference {
// The same computed by LibTorch's operators.
GroupNormOutput group_norm(const GroupNormInput& input, const torch::Tensor& weight,
                           const torch::Tensor& bias, const GroupNormOptions& options);
}  // namespace reference

}  // namespace ddpm::ops
