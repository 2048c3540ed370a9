#pragma once

#include <cstdint>

#include "ddpm/config/config.h"

namespace ddpm {

// What a network costs, counted from an evaluation of its smallest image.
struct Cost {
  std::int64_t parameters = 0;
  double forward_macs =
      0;  // multiply-accumulates of convolutions, linear layers and attention; FLOPs = 2 * MACs
  double activation_elements =
      0;  // elements kept for the backward pass, an upper estimate: outputs of all operators
  double inference_elements = 0;  // feature maps alive at a time without a backward pass
};

// Image of channels x height x width. Throws ConfigError if the levels do not divide the size.
Cost estimate_cost(const ModelConfig& config, std::int64_t channels, std::int64_t height,
                   std::int64_t width);

// Bytes of weights, gradients, two Adam moments and the moving average in float32 (plus bf16 copies
// if asked).
double training_state_bytes(const Cost& cost, bool bf16);

// Rough peak of one training step.
double training_memory_bytes(const Cost& cost, std::int64_t micro_batch, bool bf16);

// Peak memory of a process that samples so many images at a time on the CPU, within a quarter of
// what was measured for four networks (docs/performance.md); a GPU holds less.
double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16);

}  // namespace ddpm
