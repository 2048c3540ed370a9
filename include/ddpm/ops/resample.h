// Convolutions that halve or double a feature map. Memory is channels last.
#pragma once

#include <torch/types.h>

#include "ddpm/config/choices.h"

namespace ddpm::ops {

// Halves height and width of x [N,C,H,W] by a 3x3 convolution of stride 2, weight [C_out,C,3,3] and
// bias [C_out]. Odd sides are rounded up with symmetric padding, down with asymmetric.
torch::Tensor downsample_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias, DownsamplePadding padding);

// Doubles height and width by a transposed convolution of stride 2 and padding 1, weight
// [C,C_out,4,4] and bias [C_out].
torch::Tensor transposed_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias);

// Doubles height and width by repeating pixels, then convolves with weight [C_out,C,3,3] and bias
// [C_out]. Both are done in one step with 4/9 of the arithmetic (kernels/resample.h).
torch::Tensor upsample_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias);

}  // namespace ddpm::ops
