// Adds a bias and two feature maps to the result of a convolution and applies a leaky ReLU, in one
// pass. Feature maps are matrices [rows,channels], rows = N*H*W.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// sum[r,c] = (a[r,c] + bias[c] + residual[r,c] + total[r,c]) / divisor in float32, rounded once;
// activated = leaky ReLU of the rounded sum. All pointers but a may be null: what is null is not
// added or not written. Results may lie where a, residual or total lie.
struct LeakySum {
  const void* a = nullptr;
  const void* bias = nullptr;
  const void* residual = nullptr;
  const void* total = nullptr;
  float divisor = 1;
  float slope = 0;  // of the leaky ReLU for values below zero
  void* sum = nullptr;
  void* activated = nullptr;
};
void leaky_sum(const LeakySum& maps, Type type, std::int64_t rows, std::int64_t channels,
               Stream stream);

}  // namespace ddpm::kernels
