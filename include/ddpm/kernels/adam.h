// The optimizer step over flat buffers: all parameters of a network one after the other in one
// array.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

struct AdamOptions {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.0f;
  float clip_norm = 0.0f;  // largest norm of the gradients; 0: no clipping
  bool decoupled = false;  // AdamW: the decay acts on the weights, not through the gradient
};

// Device arrays of `count` elements, count a multiple of 64, all 128-byte aligned and disjoint.
struct AdamBuffers {
  float* master = nullptr;
  const void* gradients = nullptr;
  Type gradient_type = Type::kFloat32;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  float* average = nullptr;  // moving average of the weights; may be null
  void* copy = nullptr;      // the weights rounded to bfloat16; may be null
  std::int64_t count = 0;
};

// One step of Adam and of the moving average. scalars (device): {learning rate, 1 - beta1^t, sqrt(1
// - beta2^t), weight of the new value in the average}; norm (device): Euclidean norm of the
// gradients. Changes nothing if the norm is not finite.
void adam_step(const AdamBuffers& buffers, const AdamOptions& options, const float* scalars,
               const float* norm, Stream stream);

// Floats of workspace that gradient_norm needs, for any count.
inline constexpr std::int64_t kGradientNormWorkspace = 1024;

// norm[0] = Euclidean norm of gradients [count]. The order of the sum depends on count and type
// alone if `gradients` is 16-byte aligned.
void gradient_norm(const void* gradients, Type type, std::int64_t count, float* partials,
                   float* norm, Stream stream);

}  // namespace ddpm::kernels
