// Rearranges data so that 3x3 convolutions from and to images, float32 [n,channels,height,width]
// with few channels, become matrix products.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// There are n * height * width pixels, fewer than 2^31 / (9 * channels).
struct ImageShape {
  std::int64_t n = 0, channels = 0, height = 0, width = 0;
};

// rows[n,i,j,(a,b,c)] = image[n,c,i+a-1,j+b-1], 0 outside the image. Rows have `columns` elements,
// a multiple of 8; those after the first 9 * channels are 0.
void unfold_image(const float* image, void* rows, Type type, std::int64_t columns,
                  const ImageShape& shape, Stream stream);

// image[n,c,i,j] = bias[c] + sum over a, b of planes[(c,a,b),n,i+a-1,j+b-1]; planes are 0 outside
// the image.
void fold_image(const float* planes, const void* bias, Type bias_type, float* image,
                const ImageShape& shape, Stream stream);

// The gradient of planes: planes[(c,a,b),n,i,j] = image[n,c,i-a+1,j-b+1], 0 outside the image.
void fold_image_backward(const float* image, void* planes, Type type, const ImageShape& shape,
                         Stream stream);

}  // namespace ddpm::kernels
