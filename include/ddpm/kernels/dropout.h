// Dropout by random numbers of a counter (base/random.h), so that nothing of the mask is kept.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// y = kept ? x * scale : 0 for x, y [samples,elements]; elements are in channels-last order, y may
// be x. Element e is kept if its 16 random bits are >= threshold: the low (e even) or high (e odd)
// half of word e/2 of the row. The gradient is the same function of the output's gradient.
void dropout(const void* x, void* y, Type type, std::int64_t samples, std::int64_t elements,
             std::uint32_t threshold, float scale, const RandomSource& source, Stream stream);

}  // namespace ddpm::kernels
