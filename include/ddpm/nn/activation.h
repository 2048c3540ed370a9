#pragma once

#include <torch/types.h>

#include "ddpm/config/choices.h"

namespace ddpm {

// The nonlinearity of residual blocks.
torch::Tensor activate(const torch::Tensor& x, Activation activation);

}  // namespace ddpm
