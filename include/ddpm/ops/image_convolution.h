// The two ends of a network: 3x3 convolutions, padding 1, of few channels on one side, which what
// serves other convolutions does badly.
#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// image [N,C,H,W] to feature maps [N,C_out,H,W], channels last, in the type of weight [C_out,C,3,3]
// and bias [C_out].
torch::Tensor convolution_from_image(const torch::Tensor& image, const torch::Tensor& weight,
                                     const torch::Tensor& bias);

// Feature maps [N,C_in,H,W] to an image [N,C,H,W]; weight [C,C_in,3,3], bias [C]. On a GPU the sums
// stay float32, and so does the image.
torch::Tensor convolution_to_image(const torch::Tensor& features, const torch::Tensor& weight,
                                   const torch::Tensor& bias);

}  // namespace ddpm::ops
