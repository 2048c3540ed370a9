// Sums over feature maps seen as matrices [rows,channels], rows = N*H*W: the gradient of a bias.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// Floats of workspace that column_sums needs; 0 for few rows.
std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t channels);

// out[c] = sum over r of x[r,c], in float32. The order of the sum depends on the sizes alone.
void column_sums(const void* x, Type x_type, std::int64_t rows, std::int64_t channels,
                 float* partials, void* out, Type out_type, Stream stream);

}  // namespace ddpm::kernels
