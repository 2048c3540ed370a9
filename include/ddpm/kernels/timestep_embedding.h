// Sines and cosines of times in one launch; operators would need one for each elementary function.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// ops/timestep_embedding.h says what the options mean.
struct TimestepEmbeddingShape {
  std::int64_t n = 0, width = 0;
  std::int64_t t_stride = 1;  // 0: all rows have the same time
  bool cosine_first = false;
  bool half_minus_one = true;
};

// Fills out [n,width] with the embeddings of the times t. The arithmetic is float32 with the
// accurate (not the fast) functions, as on the CPU.
void timestep_embedding(const std::int64_t* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream);
void timestep_embedding(const float* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream);

}  // namespace ddpm::kernels
