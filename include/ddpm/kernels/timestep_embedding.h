// Sines and cosines of times, which otherwise take a launch for each elementary function.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// ops/timestep_embedding.h says what the options mean.
struct TimestepEmbeddingShape {
  std::int64_t n = 0, width = 0;
  std::int64_t t_stride = 1;  // 0: all rows have one time
  bool cosine_first = false;
  bool half_minus_one = true;
};

// out [n,width] of the times t. In float32 with the accurate functions, as on the CPU.
void timestep_embedding(const std::int64_t* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream);
void timestep_embedding(const float* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream);

}  // namespace ddpm::kernels
