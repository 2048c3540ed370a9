#pragma once

#include <torch/types.h>

#include <string>

namespace ddpm {

// A tensor with its name in files.
struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
};

}  // namespace ddpm
