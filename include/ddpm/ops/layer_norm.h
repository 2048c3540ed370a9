#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Normalises each vector of the last dimension of x [...,C] to mean 0 and variance 1, then
// multiplies by weight [C] and adds bias [C]. Ba, Kiros and Hinton, "Layer Normalization".
// Statistics of 16-bit numbers are computed in float32.
torch::Tensor layer_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, double epsilon);

}  // namespace ddpm::ops
