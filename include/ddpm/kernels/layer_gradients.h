// The gradient of a bias: sums over feature maps, taken as matrices [rows,channels], rows = N*H*W.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// The size in floats of `partials`, the workspace of column_sums; 0 for few rows.
std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t channels);

// out[c] = sum over r of x[r,c], in float32. The order of the sum depends only on the sizes.
void column_sums(const void* x, Type x_type, std::int64_t rows, std::int64_t channels,
                 float* partials, void* out, Type out_type, Stream stream);

}  // namespace ddpm::kernels
