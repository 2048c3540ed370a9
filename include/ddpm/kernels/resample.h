// Doubling of feature maps.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// x [n,height,width,channels] to y [n,2*height,2*width,channels]: every pixel becomes four.
void upsample_nearest(const void* x, void* y, Type type, std::int64_t n, std::int64_t height,
                      std::int64_t width, std::int64_t channels, Stream stream);

// dx [n,height,width,channels] = sums of the four pixels of dy [n,2*height,2*width,channels], in
// float32.
void upsample_nearest_backward(const void* dy, void* dx, Type type, std::int64_t n,
                               std::int64_t height, std::int64_t width, std::int64_t channels,
                               Stream stream);

}  // namespace ddpm::kernels
