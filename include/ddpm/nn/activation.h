#pragma once

#include <torch/types.h>

#include <string>

namespace ddpm {

// The nonlinearity of residual blocks: x sigmoid(x) (Swish), max(x, 0), x Phi(x) with the exact
// distribution function, or x tanh(softplus(x)).
enum class Activation { kSilu, kRelu, kGelu, kMish };

// "silu", "relu", "gelu" or "mish", the values of model.activation. Throws ConfigError.
Activation parse_activation(const std::string& name);

torch::Tensor activate(const torch::Tensor& x, Activation activation);

}  // namespace ddpm
