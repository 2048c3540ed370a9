#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Splits the last dimension of x [...,2C] into values a and gates g, and computes a * gelu(g), with
// gelu(g) = g Phi(g) and the exact distribution function Phi: [...,C]. Shazeer, "GLU Variants
// Improve Transformer". On a GPU one kernel does it, but for training, where autograd needs the
// parts.
torch::Tensor geglu(const torch::Tensor& x);

}  // namespace ddpm::ops
