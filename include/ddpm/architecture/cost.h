// What a network costs, from the integers of its plan: nothing is built or run.
#pragma once

#include <cstdint>

#include "ddpm/config/config.h"

namespace ddpm {

// Per image, where nothing else is said.
struct Cost {
  std::int64_t parameters = 0;  // of the network
  // Multiply-accumulates of convolutions, linear layers and attention; FLOPs = 2 * MACs.
  double forward_macs = 0;
  // Elements of the maps that are kept for the backward pass: by LibTorch's operators, and by the
  // kernels for GPUs, which fuse what lies between layers. Counted on the smallest image that the
  // levels allow and scaled by the pixels, which overstates the rims of padded maps a little.
  double activation_elements = 0, fused_activation_elements = 0;
  double inference_elements = 0;  // feature maps alive at a time without a backward pass
};

// For images of channels x height x width. Throws ConfigError if the levels do not divide the size.
Cost estimate_cost(const ModelConfig& config, std::int64_t channels, std::int64_t height,
                   std::int64_t width);

// Bytes of weights, gradients, two Adam moments and the moving average: in float32, or with the
// gradients and a copy of the weights in bf16, which is as much.
double training_state_bytes(const Cost& cost);

// Peak memory of training by the kernels for GPUs: within a tenth of what was measured in bf16 for
// batches of 3 GB and more (docs/performance.md); cuDNN's trials take at least 2.4 GB for a moment,
// and about half as much again in float32.
double training_memory_on_gpu_bytes(const Cost& cost, std::int64_t micro_batch, bool bf16);

// Peak memory of a process that trains on the CPU in float32, within a tenth of what was measured
// for three networks (docs/performance.md).
double training_memory_on_cpu_bytes(const Cost& cost, std::int64_t micro_batch);

// Peak memory of a process that samples with this batch size on the CPU, within a quarter of what
// was measured for four networks (docs/performance.md); a GPU holds less.
double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16);

}  // namespace ddpm
