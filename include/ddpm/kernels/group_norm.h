// Group normalization of channels-last feature maps, fused with the layers before and after it:
//   u = concat(x1, x2) + shift           (skip connection; bias of the convolution + embedding)
//   z = (u - mean) * rstd * gamma + beta (mean, rstd of each sample's group of channels)
//   y = dropout(silu(z))
// Forward and backward pass read and write each feature map once if a slab (all positions of some
// channels of an image) fits in shared memory. All sums have a fixed order, so results are the same
// bit for bit on the same kind of device.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// Sizes of one call. `positions` is height * width.
struct GroupNormShape {
  std::int64_t samples = 0;
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  std::int64_t first_channels = 0;  // in x1; x2 has the others. Equal to `channels`: no x2
  int groups = 1;
  Type type = Type::kBFloat16;
  bool force_chunked = false;  // for tests: use the method for large images at any size
};

// Elements whose 16 random bits are below `threshold` are dropped. For element e = position *
// channels + channel of a row the bits are the low (e even) or high (e odd) half of word e / 2 of
// the row's random stream.
struct Dropout {
  std::uint32_t threshold = 0;  // round(probability * 65536); 0: no dropout
  float scale = 1.0f;           // factor of kept elements: 1 / (1 - probability)
  RandomSource source;
};

// Device pointers, 16-byte aligned. A void* points to elements of the shape's type.
struct GroupNormForward {
  const void* x1 = nullptr;       // [samples, positions, first_channels]
  const void* x2 = nullptr;       // [samples, positions, channels - first_channels] or null
  const void* shift = nullptr;    // [samples, channels] or null
  std::int64_t shift_stride = 0;  // elements from one row of shift to the next; dshift is dense
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

// Takes the inputs of the forward call, its mean and rstd, and the same dropout: the masks are
// drawn again.
struct GroupNormBackward {
  const void* dy = nullptr;  // [samples, positions, channels]
  const void* x1 = nullptr;  // this and the next five are those of GroupNormForward
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

// Whether the functions below support this shape: the channels of each tensor are a multiple of 8,
// all channels a multiple of groups, and there are at most 65535 samples of fewer than 2^29
// elements.
bool group_norm_supported(const GroupNormShape& shape);

// Floats of workspace that a call needs on the current device; may be 0.
std::int64_t group_norm_forward_workspace(const GroupNormShape& shape);
std::int64_t group_norm_backward_workspace(const GroupNormShape& shape);

// These throw std::invalid_argument for an unsupported shape. They neither allocate memory nor
// wait, and may be recorded in a CUDA graph after one call outside of it, which configures the
// kernels.
void group_norm_forward(const GroupNormShape& shape, const GroupNormForward& tensors,
                        Stream stream);
void group_norm_backward(const GroupNormShape& shape, const GroupNormBackward& tensors,
                         Stream stream);

// Computes the gradients of gamma and beta, [channels] of the shape's type, from the workspace that
// group_norm_backward() filled. A separate call, because nothing needs them before the optimiser.
void group_norm_parameter_gradients(const GroupNormShape& shape, const float* workspace,
                                    void* dgamma, void* dbeta, Stream stream);

}  // namespace ddpm::kernels
