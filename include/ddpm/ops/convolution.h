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

// A 1x1 convolution of the channels of x [N,C1,H,W] and of skip [N,C2,H,W] (or undefined), weight
// [C_out,C1+C2,1,1], bias [C_out] or undefined; without making their concatenation on a GPU.
// `residual` [N,C_out,H,W] or undefined: added to the result.
torch::Tensor pointwise_convolution(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& weight, const torch::Tensor& bias,
                                    const torch::Tensor& residual = {});

// x [...,C] times weight [C_out,C] plus bias [C_out] (or undefined).
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias);

// Doubles height and width by a transposed convolution of stride 2 and padding 1, weight [C,C_out,4,4]
// and bias [C_out].
torch::Tensor transposed_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias);

// Doubles height and width, every pixel becoming four, then convolves with weight [C_out,C,3,3] and
// bias [C_out]: both at once, at 4/9 of the arithmetic (kernels/resample.h).
torch::Tensor upsample_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias);

}  // namespace ddpm::ops
