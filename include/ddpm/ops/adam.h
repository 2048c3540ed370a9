#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ddpm::ops {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;    // a longer gradient is scaled down to this norm; 0: never
  bool decoupled = false;  // AdamW: the decay acts on the weights, not through the gradient
};

// Flat buffers of equal length, updated in place.
struct AdamState {
  torch::Tensor weights;              // float32
  torch::Tensor exp_avg, exp_avg_sq;  // float32, the moments
  torch::Tensor average = {};         // float32, moving average of the weights; may be undefined
  torch::Tensor copy = {};            // the weights rounded to bfloat16; may be undefined
};

// Numbers that differ from step to step.
struct AdamSchedule {
  std::int64_t step = 1;  // counts from 1
  double learning_rate = 0;
  double average_share = 0;  // share of the new weights in the moving average: 1 - decay
  // The same for the kernels, float32 [4] on the device; undefined if they do not run.
  torch::Tensor on_device = {};
};

// The values of AdamSchedule::on_device: {learning rate, 1 - beta1^step, sqrt(1 - beta2^step),
// average_share}.
std::array<double, 4> adam_scalars(const AdamSchedule& schedule, const AdamOptions& options);

// The Euclidean norm of a flat buffer as a float32 scalar. The order of the sum is fixed.
torch::Tensor gradient_norm(const torch::Tensor& gradients);

// Updates the weights by Adam, then the moving average. `norm` is the norm of the gradients; if it
// is not finite, nothing changes. The buffer of the gradients may hold other values afterwards.
// Kingma and Ba, "Adam"; Loshchilov and Hutter, "Decoupled weight decay".
void adam_step(const AdamState& state, const torch::Tensor& gradients, const torch::Tensor& norm,
               const AdamSchedule& schedule, const AdamOptions& options);

}  // namespace ddpm::ops
