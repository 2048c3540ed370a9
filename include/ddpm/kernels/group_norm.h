// Group normalization of channels-last feature maps, fused with its neighbours in the network:
//   u = concat(x1, x2) + shift           (skip connection; bias of the convolution + embedding)
//   z = (u - mean) * rstd * gamma + beta (mean, rstd of each sample's group of channels)
//   y = dropout(silu(z))
// Both directions read and write each feature map once if a slab of channels fits in shared memory.
// All sums have a fixed order, so results repeat bit for bit on the same kind of device.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// Sizes of one call. `positions` is height * width.
struct GroupNormShape {
  std::int64_t samples = 0;
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  std::int64_t first_channels = 0;  // in x1; x2 has the others, and equal to `channels` means no x2
  int groups = 1;
  Type type = Type::kBFloat16;
  bool force_chunked = false;  // for tests: the path for large images whatever the size
};

// Drops elements whose 16 random bits are below `threshold`. Element e = position * channels +
// channel of a row owns one half (low first) of word e / 2 of the row's random stream.
struct Dropout {
  std::uint32_t threshold = 0;  // round(probability * 65536); 0: no dropout
  float scale = 1.0f;           // of kept elements: 1 / (1 - probability)
  RandomSource source;
};

// Device pointers, 16-byte aligned. void*: elements of the shape's type.
struct GroupNormForward {
  const void* x1 = nullptr;       // [samples, positions, first_channels]
  const void* x2 = nullptr;       // [samples, positions, channels - first_channels] or null
  const void* shift = nullptr;    // [samples, channels] or null
  std::int64_t shift_stride = 0;  // elements from one row of it to the next; dshift is dense
  const void* gamma = nullptr;    // [channels]
  const void* beta = nullptr;     // [channels]
  void* y = nullptr;              // [samples, positions, channels]
  float* mean = nullptr;          // out, [samples, groups]
  float* rstd = nullptr;          // out, [samples, groups]
  float* workspace = nullptr;     // group_norm_forward_workspace() floats
  float epsilon = 1e-5f;
  bool silu = true;
  Dropout dropout;
};

// The inputs of the forward call, its mean and rstd, and the same dropout (masks are drawn again).
struct GroupNormBackward {
  const void* dy = nullptr;  // [samples, positions, channels]
  const void* x1 = nullptr;  // as in GroupNormForward, like the next five
  const void* x2 = nullptr;
  const void* shift = nullptr;
  std::int64_t shift_stride = 0;
  const void* gamma = nullptr;
  const void* beta = nullptr;
  const float* mean = nullptr;      // [samples, groups]
  const float* rstd = nullptr;      // [samples, groups]
  const void* residual1 = nullptr;  // like x1 or null: added to dx1; may be the same memory as dx1
  const void* residual2 = nullptr;  // like x2 or null: added to dx2; may be the same memory as dx2
  void* dx1 = nullptr;              // like x1
  void* dx2 = nullptr;              // like x2; null without x2
  void* dshift = nullptr;           // [samples, channels] or null: sum over positions, no residual
  float* workspace = nullptr;       // group_norm_backward_workspace() floats
  bool silu = true;
  Dropout dropout;
};

// True if the functions below can do this shape: channels in whole vectors of 8 per tensor,
// channels a multiple of groups, at most 65535 samples and fewer than 2^29 elements in each.
bool group_norm_supported(const GroupNormShape& shape);

// Floats of workspace that a call needs on the current device; may be 0.
std::int64_t group_norm_forward_workspace(const GroupNormShape& shape);
std::int64_t group_norm_backward_workspace(const GroupNormShape& shape);

// Throw std::invalid_argument for an unsupported shape. Neither allocates nor waits; both may be
// recorded in a CUDA graph after one call outside (the first call configures the kernels).
void group_norm_forward(const GroupNormShape& shape, const GroupNormForward& tensors,
                        Stream stream);
void group_norm_backward(const GroupNormShape& shape, const GroupNormBackward& tensors,
                         Stream stream);

// The gradients of gamma and beta, [channels] of the shape's type, from the workspace that
// group_norm_backward() left. Apart, because nobody waits for them before the optimiser.
void group_norm_parameter_gradients(const GroupNormShape& shape, const float* workspace,
                                    void* dgamma, void* dbeta, Stream stream);

}  // namespace ddpm::kernels
