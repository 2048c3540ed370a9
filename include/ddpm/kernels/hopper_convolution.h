// Convolutions on the tensor cores of Hopper GPUs in bfloat16, which also add bias, residual and
// shortcut. They are meant for small batches, where all blocks of a convolution run at once and
// cuDNN's kernels take up to twice as long; for large batches cuDNN's are mostly faster.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

enum class ConvolutionKind {
  kForward,   // y[i,j] = sum over a, b of weight[:,a,b,:] x[i*stride-padding+a, j*stride-padding+b]
  kInput,     // the gradient of x from that of y for stride 1: `x` is dy and `y` is dx
  kDoubling,  // of x with doubled sides, by filters folded as in kernels/resample.h
};

struct ConvolutionShape {
  ConvolutionKind kind = ConvolutionKind::kForward;
  std::int64_t n = 0, height = 0, width = 0, channels = 0;       // of x
  std::int64_t out_height = 0, out_width = 0, out_channels = 0;  // of y
  std::int64_t taps = 3;                                         // filters are taps x taps
  std::int64_t stride = 1, padding = 1;
  // A 1x1 convolution that is added: its input is the concatenated channels of two maps with the
  // height and width of y. 0: none.
  std::int64_t shortcut_channels = 0, skip_channels = 0;
};

// All tensors are bfloat16, channels last, aligned to 16 bytes.
struct HopperConvolution {
  const void* x = nullptr;
  // [out_channels,taps,taps,channels]; kInput: [channels,taps,taps,out_channels]; kDoubling:
  // [4*out_channels,2,2,channels].
  const void* weight = nullptr;
  const void* bias = nullptr;      // [out_channels], or null
  const void* residual = nullptr;  // like y, or null
  const void* shortcut = nullptr;
  const void* skip = nullptr;
  const void* shortcut_weight = nullptr;  // [out_channels,shortcut_channels+skip_channels]
  const void* shortcut_bias = nullptr;    // [out_channels]
  void* y = nullptr;
};

// Whether the current device is a Hopper GPU and the kernel supports this shape and is faster than
// cuDNN.
bool hopper_convolution_wins(const ConvolutionShape& shape);

// Sums are float32; y is rounded once. Equal inputs always give equal results. Throws
// std::invalid_argument for an unsupported shape, std::runtime_error if a launch is refused.
void hopper_convolution(const ConvolutionShape& shape, const HopperConvolution& tensors,
                        Stream stream);

}  // namespace ddpm::kernels
