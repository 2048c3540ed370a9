#pragma once

#include <cstdint>

#include "ddpm/nn/unet.h"

namespace ddpm {

// Fills all parameters from (seed, position of the parameter, element), on any device and with any
// thread count alike.
//   kHo:      Xavier uniform, biases 0; the last layer of every block and of the network times
//             1e-5, so that a fresh network predicts nearly zero (Ho et al.'s code; variance scale
//             1e-10).
//   kPytorch: the defaults of PyTorch's layers: weights and biases uniform in +-1/sqrt(fan_in).
// With both methods embedding tables are standard normal, as PyTorch's are, and the frequencies of a
// fourier time embedding are normal with deviation 16.
void initialize_weights(UNet& net, Initialization method, std::uint64_t seed);

}  // namespace ddpm
