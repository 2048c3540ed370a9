#include "ddpm/nn/activation.h"

namespace ddpm {

torch::Tensor activate(const torch::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return torch::silu(x);
    case Activation::kRelu:
      return torch::relu(x);
    case Activation::kGelu:
      return torch::gelu(x);
    case Activation::kMish:
      return torch::mish(x);
  }
  return {};
}

}  // namespace ddpm
