#include "ddpm/nn/initialize.h"

#include <cmath>

#include "ddpm/nn/layers.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

struct Fans {
  double in = 0;
  double out = 0;
};

// PyTorch's convention: fan out is dimension 0 and fan in dimension 1, each times the filter's
// area.
Fans fans(const torch::Tensor& weight) {
  const auto field = static_cast<double>(weight[0][0].numel());
  return {static_cast<double>(weight.size(1)) * field, static_cast<double>(weight.size(0)) * field};
}

void fill_uniform(torch::Tensor& parameter, double limit, const RandomKey& key) {
  const torch::Tensor unit = ops::random_uniform(key, 1, parameter.numel(), torch::kCPU);
  parameter.copy_((unit.view(parameter.sizes()) * 2 - 1) * limit);
}

void fill_normal(torch::Tensor& parameter, double deviation, const RandomKey& key) {
  const torch::Tensor values = ops::random_normal(key, 1, {parameter.numel()}, torch::kCPU);
  parameter.copy_(values.view(parameter.sizes()) * deviation);
}

// The weight draws its random numbers with `key`, the bias with the next key.
void fill_filters(LayerImpl& layer, Initialization method, const RandomKey& key) {
  const Fans fan = fans(layer.weight);
  const bool last = layer.role() == Role::kLast;
  const double gain = last ? 1e-5 : 1;
  RandomKey bias_key = key;
  ++bias_key.sample;
  switch (method) {
    case Initialization::kHo:
      fill_uniform(layer.weight, gain * std::sqrt(6 / (fan.in + fan.out)), key);
      if (layer.bias.defined()) layer.bias.zero_();
      return;
    case Initialization::kOpenai:
      if (last) {
        layer.weight.zero_();
        if (layer.bias.defined()) layer.bias.zero_();
        return;
      }
      [[fallthrough]];
    case Initialization::kPytorch:
      fill_uniform(layer.weight, 1 / std::sqrt(fan.in), key);
      if (layer.bias.defined()) fill_uniform(layer.bias, 1 / std::sqrt(fan.in), bias_key);
      return;
  }
}

void fill(LayerImpl& layer, Initialization method, const RandomKey& key) {
  if (!layer.weight.defined()) return;  // an embedding without parameters
  switch (layer.role()) {
    case Role::kWeight:
    case Role::kLast:
      return fill_filters(layer, method, key);
    case Role::kScale:
      layer.weight.fill_(1);
      layer.bias.zero_();
      return;
    case Role::kTable:
      return fill_normal(layer.weight, 1, key);
    case Role::kFrequencies:
      return fill_normal(layer.weight, 16, key);
  }
}

}  // namespace

void initialize_weights(torch::nn::Module& network, Initialization method, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  RandomKey key{.seed = seed, .stream = RandomStream::kInitialization};
  for (const auto& module : network.modules()) {
    if (auto* layer = dynamic_cast<LayerImpl*>(module.get())) fill(*layer, method, key);
    key.sample += module->parameters(/*recurse=*/false).size();
  }
}

}  // namespace ddpm
