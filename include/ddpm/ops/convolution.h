#pragma once

#include <torch/types.h>

namespace ddpm::ops {

struct ConvolutionOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 1;  // zeros on every side
};

// x [N,C,H,W] with weight [C_out,C,K,K]; bias [C_out] and residual [N,C_out,H',W'], which are added
// to the result, may be undefined. Memory is channels last.
torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias = {}, const ConvolutionOptions& options = {},
                          const torch::Tensor& residual = {});

}  // namespace ddpm::ops
