#include "ddpm/nn/activation.h"

#include "ddpm/base/error.h"

namespace ddpm {

Activation parse_activation(const std::string& name) {
  if (name == "silu") return Activation::kSilu;
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "mish") return Activation::kMish;
  throw ConfigError("model.activation: '" + name + "' is none of silu, relu, gelu, mish");
}

torch::Tensor activate(const torch::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return torch::relu(x);
    case Activation::kGelu:
      return torch::gelu(x);
    case Activation::kMish:
      return torch::mish(x);
    default:
      return torch::silu(x);
  }
}

}  // namespace ddpm
