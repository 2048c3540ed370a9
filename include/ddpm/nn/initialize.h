#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "ddpm/config/choices.h"

namespace ddpm {

// Fills the parameters of all layers (nn/layers.h) of a bound network by their roles. A value
// depends only on (seed, position of the parameter, element), not on device or thread count.
//   kHo:      Xavier uniform, biases 0; the last layer of every block and of the network times 1e-5,
//             so that a new network predicts nearly zero (Ho et al.'s code; variance scale 1e-10).
//   kPytorch: the defaults of PyTorch's layers: weights and biases uniform in +-1/sqrt(fan_in).
//   kOpenai:  the same, but the last layer of every block and of the network is 0, so that a new
//             network predicts exactly 0 (improved-diffusion, Stable Diffusion).
// With all of them, norms start as the identity, tables are standard normal as in PyTorch, and
// frequencies are normal with deviation 16.
void initialize_weights(torch::nn::Module& network, Initialization method, std::uint64_t seed);

}  // namespace ddpm
