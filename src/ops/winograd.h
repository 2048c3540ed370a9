// 3x3 convolutions on the CPU with fewer products. Private to ops.
#pragma once

#include <torch/types.h>

#include "ddpm/ops/convolution.h"

namespace ddpm::ops {

// Whether winograd_convolution computes this and is faster than the plain one.
bool winograd_wins(const torch::Tensor& x, const torch::Tensor& weight,
                   const ConvolutionOptions& options);

// A 3x3 convolution with stride and padding 1, with gradients, by the minimal filtering F(2x2,3x3)
// of Lavin and Gray (arXiv:1509.09308): 16 products for four outputs instead of 36, for each pair
// of channels. Rounding is that of a plain convolution within a factor of two or so, and does not
// depend on the number of threads. Arguments as for convolution(), float32.
torch::Tensor winograd_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, const torch::Tensor& residual);

}  // namespace ddpm::ops
