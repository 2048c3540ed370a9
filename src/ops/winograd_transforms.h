// The linear transforms of Winograd's convolution F(2x2,3x3) on vectors of channels. Private to
// ops.
#pragma once

#include <cstdint>

namespace ddpm::ops::winograd {

// y = A^T [(G g G^T) * (B^T d B)] A, with 3x3 filters g, 4x4 pixels d and 2x2 outputs y (Lavin and
// Gray, arXiv:1509.09308, section 4.1). Points are numbered 4 row + column. Point p is a vector of
// `channels` at `p * step`.

// Computes row `row` (0 to 3) of B^T d B: four points from 16 pixels.
void transform_input_row(const float* const* pixels, int row, float* out, std::int64_t step,
                         std::int64_t channels);

// Computes G g G^T: 16 points from nine taps.
void transform_filter(const float* const* taps, float* out, std::int64_t step,
                      std::int64_t channels);

// Computes A^T m A + bias: four outputs from 16 points.
void transform_output(const float* m, std::int64_t step, const float* bias, float* const* pixels,
                      std::int64_t channels);

// Computes row `row` of A dy A^T, the gradient of m from that of y: four points from four pixels.
void transform_gradient_row(const float* const* pixels, int row, float* out, std::int64_t step,
                            std::int64_t channels);

// Computes G^T u G, the gradient of g from that of G g G^T: nine taps, `tap_step` apart, from 16
// points.
void transform_filter_gradient(const float* u, std::int64_t step, float* taps,
                               std::int64_t tap_step, std::int64_t channels);

}  // namespace ddpm::ops::winograd
