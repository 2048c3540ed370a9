// The cost of a network, computed from the integers of its plan. Nothing is built or run.
#pragma once

#include <cstdint>

#include "ddpm/config/config.h"

namespace ddpm {

// The costs are per image, unless a comment says otherwise.
struct Cost {
  std::int64_t parameters = 0, tensors = 0;  // of the network, and how many tensors they are
  // Multiply-accumulates of convolutions, linear layers and attention; FLOPs = 2 * MACs.
  double forward_macs = 0;
  // Elements of the feature maps that are kept for the backward pass: by LibTorch's operators, and
  // by the kernels for GPUs, which fuse the operations between layers. They are counted on the
  // smallest image that the levels allow and scaled by the number of pixels, which makes the edges
  // of padded maps count a little too much.
  double activation_elements = 0, fused_activation_elements = 0;
  double inference_elements = 0;  // the most elements in memory at once without a backward pass
};

// The cost for images of channels x height x width. A context counts as kTextTokens tokens. Throws
// ConfigError if the size does not fit the number of levels.
Cost estimate_cost(const ModelConfig& config, std::int64_t channels, std::int64_t height,
                   std::int64_t width);

// A process with LibTorch before it does anything, measured. It is part of the estimates for the
// CPU below.
constexpr double kProgramBytes = 140 << 20;

// Bytes of weights, gradients, two Adam moments and the moving average in float32. In bf16 it is
// the same: gradients take half, and there is a copy of the weights.
double training_state_bytes(const Cost& cost);

// Peak memory of training with the kernels for GPUs. It is within a tenth of the measured values in
// bf16 for batches of 3 GB and more (docs/performance.md). For a moment cuDNN's trials of
// algorithms take at least 2.4 GB, and about half as much again in float32.
double training_memory_on_gpu_bytes(const Cost& cost, std::int64_t micro_batch, bool bf16);

// Peak memory of a process that trains on the CPU in float32, within a tenth of the measured values
// for three networks (docs/performance.md).
double training_memory_on_cpu_bytes(const Cost& cost, std::int64_t micro_batch);

// Peak memory of a process that samples with this batch size on the CPU, within a quarter of the
// measured values for four networks (docs/performance.md). A GPU needs less.
double sampling_memory_bytes(const Cost& cost, std::int64_t batch, bool bf16);

}  // namespace ddpm
