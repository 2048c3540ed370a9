// What turns 3x3 convolutions into matrix products: the pixels that an output sees, side by side.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

struct UnfoldShape {
  std::int64_t n = 0, height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0;
  std::int64_t stride = 1, padding = 1;
};

// out[n,i,j,a,b,c] = x[n, i*stride-padding+a, j*stride-padding+b, c], 0 outside; a, b from 0 to 2.
void unfold(const void* x, void* out, Type type, const UnfoldShape& shape, Stream stream);

// --- Images: float32 [n,channels,height,width], few channels -------------------------------------

// n * height * width pixels, fewer than 2^31 / (9 * channels).
struct ImageShape {
  std::int64_t n = 0, channels = 0, height = 0, width = 0;
};

// rows[n,i,j,(a,b,c)] = image[n,c,i+a-1,j+b-1], 0 outside. Rows have `columns` elements, a multiple
// of 8; those after the first 9 * channels are 0.
void unfold_image(const float* image, void* rows, Type type, std::int64_t columns,
                  const ImageShape& shape, Stream stream);

// image[n,c,i,j] = bias[c] + sum over a, b of planes[(c,a,b),n,i+a-1,j+b-1], planes being 0
// outside.
void fold_image(const float* planes, const void* bias, Type bias_type, float* image,
                const ImageShape& shape, Stream stream);

// The gradient of planes: planes[(c,a,b),n,i,j] = image[n,c,i-a+1,j-b+1], 0 outside.
void fold_image_backward(const float* image, void* planes, Type type, const ImageShape& shape,
                         Stream stream);

}  // namespace ddpm::kernels
