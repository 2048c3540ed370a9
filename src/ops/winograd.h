// 3x3 convolutions on the CPU with fewer products. Private to ops.
#pragma once

#include <torch/types.h>

#include "ddpm/ops/convolution.h"

namespace ddpm::ops {

// Whether winograd_convolution can do this and is faster than a plain convolution.
bool winograd_wins(const torch::Tensor& x, const torch::Tensor& weight,
                   const ConvolutionOptions& options);

// A 3x3 convolution with stride and padding 1, with gradients, by the minimal filtering F(2x2,3x3)
// of Lavin and Gray (arXiv:1509.09308): for each pair of channels, four outputs take 16 products
// instead of 36. Rounding errors are at most about twice those of a plain convolution, and results
// do not depend on the number of threads. The arguments are those of convolution(), float32.
torch::Tensor winograd_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, const torch::Tensor& residual);

}  // namespace ddpm::ops
