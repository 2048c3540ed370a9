#include "ddpm/nn/initialize.h"

#include <cmath>

#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

struct Fans {
  double in = 0;
  double out = 0;
};

// PyTorch's convention: dimension 0 counts as out, dimension 1 as in, times the receptive field.
Fans fans(const torch::Tensor& weight) {
  const double field = static_cast<double>(weight[0][0].numel());
  return {static_cast<double>(weight.size(1)) * field, static_cast<double>(weight.size(0)) * field};
}

void fill_uniform(const torch::Tensor& parameter, double limit, const RandomKey& key) {
  const torch::Tensor unit = ops::random_uniform(key, 1, parameter.numel(), torch::kCPU);
  parameter.copy_((unit.view(parameter.sizes()) * 2 - 1) * limit);
}

void fill_normal(const torch::Tensor& parameter, double deviation, const RandomKey& key) {
  const torch::Tensor values = ops::random_normal(key, 1, {parameter.numel()}, torch::kCPU);
  parameter.copy_(values.view(parameter.sizes()) * deviation);
}

bool is_in(const torch::Tensor& tensor, const std::vector<torch::Tensor>& list) {
  return std::any_of(list.begin(), list.end(),
                     [&](const torch::Tensor& other) { return other.is_same(tensor); });
}

}  // namespace

void initialize_weights(UNet& net, Initialization method, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> last = net->last_layer_weights(),
                                   tables = net->embedding_tables();
  const torch::Tensor frequencies = net->random_frequencies();
  RandomKey key{.seed = seed, .stream = RandomStream::kInitialization};
  double bias_limit = 0;  // of the bias that follows a weight
  for (auto& item : net->named_parameters()) {
    torch::Tensor& parameter = item.value();
    const bool is_weight = item.key().ends_with("weight");
    if (is_in(parameter, tables)) {
      fill_normal(parameter, 1, key);
    } else if (frequencies.defined() && parameter.is_same(frequencies)) {
      fill_normal(parameter, 16, key);
    } else if (is_weight && parameter.dim() >= 2) {
      const Fans fan = fans(parameter);
      const double gain = is_in(parameter, last) ? 1e-5 : 1.0;
      const bool ho = method == Initialization::kHo;
      fill_uniform(parameter,
                   ho ? gain * std::sqrt(6.0 / (fan.in + fan.out)) : 1.0 / std::sqrt(fan.in), key);
      bias_limit = ho ? 0.0 : 1.0 / std::sqrt(fan.in);
    } else if (is_weight) {  // norm
      parameter.fill_(1.0);
      bias_limit = 0;
    } else {
      fill_uniform(parameter, bias_limit, key);
    }
    ++key.sample;
  }
}

}  // namespace ddpm
