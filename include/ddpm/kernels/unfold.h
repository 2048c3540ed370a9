// Copies the 3x3 inputs of each output pixel side by side, so that a convolution becomes a matrix
// product.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

struct UnfoldShape {
  std::int64_t n = 0, height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0;
  std::int64_t stride = 1, padding = 1;
};

// out[n,i,j,a,b,c] = x[n, i*stride-padding+a, j*stride-padding+b, c], 0 outside x; a, b are 0 to 2.
void unfold(const void* x, void* out, Type type, const UnfoldShape& shape, Stream stream);

}  // namespace ddpm::kernels
