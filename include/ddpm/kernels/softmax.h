// Softmax along the rows of a matrix, in place, in float32 arithmetic.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// Replaces scores [rows,cols] by softmax(scale * scores) along cols. It is fast if cols is a
// multiple of 8 up to 1024.
void softmax(void* scores, Type type, std::int64_t rows, std::int64_t cols, float scale,
             Stream stream);

// p is the result of softmax. dp [rows,cols] is the gradient of p and is replaced by that of the
// scores: scale * p * (dp - sum of p * dp along cols).
void softmax_backward(const void* p, void* dp, Type type, std::int64_t rows, std::int64_t cols,
                      float scale, Stream stream);

}  // namespace ddpm::kernels
