// Random tensors. Every number depends only on (seed, stream, step, sample, element) and is the one
// that base/random.h draws on the CPU. Streams are below 2^16.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// out [samples,elements] float32: standard normal numbers. Words 2k and 2k+1 of a row give elements
// 2k and 2k+1 (Box-Muller: cosine, sine).
void random_normal(float* out, std::int64_t samples, std::int64_t elements,
                   const RandomSource& source, Stream stream);

// out [samples] int64: uniform in [0, bound), from word 0 of each row; bound in [1, 2^32].
void random_integers(std::int64_t* out, std::int64_t samples, std::uint64_t bound,
                     const RandomSource& source, Stream stream);

}  // namespace ddpm::kernels
