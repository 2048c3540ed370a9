#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ddpm::ops {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;    // gradients longer than this are scaled down to it; 0: never
  bool decoupled = false;  // AdamW: decay the weights themselves, not the gradient
};

// Flat buffers of equal length, updated in place.
struct AdamState {
  torch::Tensor weights;              // float32
  torch::Tensor exp_avg, exp_avg_sq;  // float32, the moments
  torch::Tensor average = {};         // float32, moving average of the weights; may be undefined
  torch::Tensor copy = {};            // the weights rounded to bfloat16; may be undefined
};

// What differs from step to step.
struct AdamSchedule {
  std::int64_t step = 1;  // counts from 1
  double learning_rate = 0;
  double average_share = 0;  // of the new weights in the moving average: 1 - decay
  // The kernels' view of it, float32 [4] on the device; undefined where they do not run.
  torch::Tensor on_device = {};
};

// {learning rate, 1 - beta1^step, sqrt(1 - beta2^step), average_share}: AdamSchedule::on_device.
std::array<double, 4> adam_scalars(const AdamSchedule& schedule, const AdamOptions& options);

// Euclidean norm of a flat buffer, float32 scalar, summed in a fixed order.
torch::Tensor gradient_norm(const torch::Tensor& gradients);

// One Adam update and one of the moving average. `norm` is that of the gradients; nothing changes
// if it is not finite. The gradients are used up: their buffer may hold something else
// afterwards. Kingma and Ba, "Adam"; Loshchilov and Hutter, "Decoupled weight decay".
void adam_step(const AdamState& state, const torch::Tensor& gradients, const torch::Tensor& norm,
               const AdamSchedule& schedule, const AdamOptions& options);

}  // namespace ddpm::ops
