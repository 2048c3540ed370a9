// GEGLU of matrices [rows,2*channels]: values in the first half of a row, gates in the second.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// y[r,c] = x[r,c] * gelu(x[r,channels+c]) in float32, rounded once; y is [rows,channels].
// gelu(g) = g Phi(g) = g (1 + erf(g / sqrt(2))) / 2.
void geglu(const void* x, void* y, Type type, std::int64_t rows, std::int64_t channels,
           Stream stream);

}  // namespace ddpm::kernels
