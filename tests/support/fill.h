// Deterministic values in [-0.5, 0.5): a hash of (k, j) that is easy to compute in any language.
// Reference outputs of published networks were computed with tensors filled this way.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace ddpm::testing {

inline double hash_value(std::uint64_t k, std::uint64_t j) {
  std::uint64_t z = (k << 32) + j + 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) / 16777216.0 - 0.5;
}

// scale * hash(k, j) + offset over row-major j, rounded to float32, as float64.
inline torch::Tensor hash_tensor(std::uint64_t k, torch::IntArrayRef shape, double scale,
                                 double offset = 0) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t j = 0; j < values.size(); ++j)
    values[j] = static_cast<float>(offset + scale * hash_value(k, j));
  return torch::tensor(values).view(shape).to(torch::kFloat64);
}

// Fills every parameter; k is the index of its name in bytewise order.
inline void hash_fill(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  auto named = module.named_parameters();
  std::vector<std::string> names = named.keys();
  std::sort(names.begin(), names.end());
  for (std::size_t k = 0; k < names.size(); ++k) {
    torch::Tensor p = named[names[k]];
    if (p.dim() >= 2)
      p.copy_(hash_tensor(
          k, p.sizes(),
          std::sqrt(12.0 / (static_cast<double>(p.numel()) / static_cast<double>(p.size(0))))));
    else if (names[k].ends_with("weight"))
      p.copy_(hash_tensor(k, p.sizes(), 0.2, 1.0));
    else
      p.copy_(hash_tensor(k, p.sizes(), 0.2));
  }
}

}  // namespace ddpm::testing
