// Gradients that all layers with weights need, computed by kernels. Private to ops.
#pragma once

#include <torch/types.h>

#include "ddpm/device/side_stream.h"
#include "kernels.h"

namespace ddpm::ops {

// The sums [C] over all rows of dy [rows,C], or all pixels of dy [N,C,H,W]. A gradient that only
// the optimiser needs is computed on the side stream.
torch::Tensor bias_gradient(const torch::Tensor& dy, bool goes_to_optimizer);

// One of the two gradients of a convolution without bias.
enum class Gradient { kInput, kWeight };
torch::Tensor convolution_gradient(Gradient which, const torch::Tensor& dy, const torch::Tensor& x,
                                   const torch::Tensor& weight, std::int64_t stride,
                                   std::int64_t padding);

// Computes a weight's gradient. If only the optimiser needs it and it does not fill the GPU, this
// is done on the side stream.
template <class Compute>
torch::Tensor weight_gradient(bool goes_to_optimizer, const torch::Tensor& dy,
                              const torch::Tensor& x, const Compute& compute) {
  if (!goes_to_optimizer || fills_gpu(dy) || fills_gpu(x)) return compute();
  torch::Tensor gradient;
  run_aside({dy, x}, [&] { gradient = compute(); });
  return gradient;
}

}  // namespace ddpm::ops
