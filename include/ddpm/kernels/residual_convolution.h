// A convolution that adds a residual and a bias before it rounds, by cuDNN's graph interface.
// LibTorch's own operator needs another pass over memory for that.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// y = conv(x, weight) + residual + bias, 3x3 with stride and padding 1, in bfloat16.
struct ResidualConvolutionShape {
  std::int64_t n = 0, height = 0, width = 0;
  std::int64_t channels = 0, outputs = 0;
};

struct ResidualConvolution {
  const void* x = nullptr;         // [n,height,width,channels]
  const void* weight = nullptr;    // [outputs,3,3,channels]
  const void* residual = nullptr;  // [n,height,width,outputs]
  const void* bias = nullptr;      // [outputs]
  void* y = nullptr;               // [n,height,width,outputs]
  void* workspace = nullptr;
};

// Bytes of workspace, or -1 if cuDNN has no kernel for this or the program was built without it.
std::int64_t residual_convolution_workspace(const ResidualConvolutionShape& shape);

// Throws std::runtime_error if cuDNN reports an error.
void residual_convolution(const ResidualConvolutionShape& shape,
                          const ResidualConvolution& convolution, Stream stream);

}  // namespace ddpm::kernels
