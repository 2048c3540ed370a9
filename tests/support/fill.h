// Tensors filled with the values of hash_value(), as the reference outputs of published networks were
// computed.
#pragma once

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "support/hash_value.h"

namespace ddpm::testing {

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

// Mean, mean of the absolute values, first and last value, with which reference outputs are recorded.
inline void expect_numbers(const torch::Tensor& actual, const std::vector<double>& expected,
                           double tolerance) {
  const torch::Tensor flat = actual.contiguous().flatten().to(torch::kFloat64);
  const std::vector<double> numbers = {flat.mean().item<double>(), flat.abs().mean().item<double>(),
                                       flat[0].item<double>(), flat[-1].item<double>()};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(numbers[i], expected[i], tolerance) << "number " << i;
}

}  // namespace ddpm::testing
