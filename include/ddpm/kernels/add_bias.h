// Adds a bias and a residual to feature maps, taken as matrices [rows,channels], rows = N*H*W.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// out[r,c] = a[r,c] + bias[c] + b[r,c] in float32, rounded once. bias and b may be null; out may be
// a or b.
void add_bias(const void* a, const void* bias, const void* b, void* out, Type type,
              std::int64_t rows, std::int64_t channels, Stream stream);

}  // namespace ddpm::kernels
