#pragma once

#include <torch/types.h>

namespace ddpm::ops {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: decay the weights themselves, not the gradient
};

// One Adam update in place over flat float32 buffers of equal length: parameters w, first and
// second moments m and v. `step` counts from 1. Gradients are divided by `divisor` (a float32
// scalar on the device) first, which is how clipping happens without reading the norm back. Kingma
// and Ba, "Adam"; Loshchilov and Hutter, "Decoupled weight decay".
void adam_step(torch::Tensor& w, const torch::Tensor& gradient, torch::Tensor& m, torch::Tensor& v,
               std::int64_t step, const torch::Tensor& divisor, const AdamOptions& options);

}  // namespace ddpm::ops
