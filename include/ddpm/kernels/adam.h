// The optimizer step on flat buffers, arrays that hold all parameters of a network one after the
// other.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

struct AdamOptions {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.0f;
  float clip_norm = 0.0f;  // a longer gradient is scaled down to this norm; 0: never
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

// Updates the weights by Adam, then the moving average. scalars (device): {learning rate,
// 1-beta1^t, sqrt(1-beta2^t), weight of the new value in the average}; norm (device): Euclidean
// norm of the gradients. If the norm is not finite, nothing changes.
void adam_step(const AdamBuffers& buffers, const AdamOptions& options, const float* scalars,
               const float* norm, Stream stream);

// The size in floats of `partials`, the workspace of gradient_norm, for any count.
inline constexpr std::int64_t kGradientNormWorkspace = 1024;

// norm[0] = Euclidean norm of gradients [count]. If `gradients` is 16-byte aligned, the order of
// the sum depends only on count and type.
void gradient_norm(const void* gradients, Type type, std::int64_t count, float* partials,
                   float* norm, Stream stream);

}  // namespace ddpm::kernels
