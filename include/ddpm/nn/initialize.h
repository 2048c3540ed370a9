#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "ddpm/config/choices.h"

namespace ddpm {

// Fills the parameters of all layers (nn/layers.h) of a bound network, by their roles, from (seed,
// position of the parameter, element): on any device and with any thread count alike.
//   kHo:      Xavier uniform, biases 0; the last layer of every block and of the network times 1e-5,
//             so that a fresh network predicts nearly zero (Ho et al.'s code; variance scale 1e-10).
//   kPytorch: the defaults of PyTorch's layers: weights and biases uniform in +-1/sqrt(fan_in).
// With both, norms begin as the identity, tables are standard normal, as PyTorch's are, and
// frequencies normal with deviation 16.
void initialize_weights(torch::nn::Module& network, Initialization method, std::uint64_t seed);

}  // namespace ddpm
