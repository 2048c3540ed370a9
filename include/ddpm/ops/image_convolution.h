// The first and last convolution of a network: 3x3, padding 1. One side is an image with few
// channels, and cuDNN is slow for such shapes.
#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Convolves image [N,C,H,W] to feature maps [N,C_out,H,W], channels last, in the type of weight
// [C_out,C,3,3] and bias [C_out].
torch::Tensor convolution_from_image(const torch::Tensor& image, const torch::Tensor& weight,
                                     const torch::Tensor& bias);

// Convolves feature maps [N,C_in,H,W] to an image [N,C,H,W]; weight [C,C_in,3,3], bias [C]. On a
// GPU the sums are float32, and so is the image.
torch::Tensor convolution_to_image(const torch::Tensor& features, const torch::Tensor& weight,
                                   const torch::Tensor& bias);

}  // namespace ddpm::ops
