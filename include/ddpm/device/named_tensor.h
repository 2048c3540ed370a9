#pragma once

#include <torch/types.h>

#include <string>

namespace ddpm {

// A tensor under the name that files know it by.
struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
};

}  // namespace ddpm
