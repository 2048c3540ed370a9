#pragma once

#include <torch/types.h>

namespace ddpm::ops {

struct ConvolutionOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 1;  // zeros on every side
};

// Convolves x [N,C,H,W] with weight [C_out,C,K,K] and adds bias [C_out] and residual
// [N,C_out,H',W'], which both may be undefined. Memory is channels last.
torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias = {}, const ConvolutionOptions& options = {},
                          const torch::Tensor& residual = {});

// A 1x1 convolution of the channels of x [N,C1,H,W] and skip [N,C2,H,W] (or undefined), weight
// [C_out,C1+C2] or [C_out,C1+C2,1,1], bias [C_out].
struct Shortcut {
  torch::Tensor x, skip, weight, bias;
};

// The 3x3 convolution of x [N,C,H,W] with weight [C_out,C,3,3] and bias [C_out], plus the shortcut.
torch::Tensor convolution_with_shortcut(const torch::Tensor& x, const torch::Tensor& weight,
                                        const torch::Tensor& bias, const Shortcut& shortcut);

}  // namespace ddpm::ops
