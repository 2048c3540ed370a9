// Dropout with random numbers from a counter (base/random.h), so that the mask need not be stored.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// y = kept ? x * scale : 0 for x, y [samples,elements]; elements are in channels-last order, y may
// be x. Element e is kept if its 16 random bits, the low (e even) or high (e odd) half of word e/2
// of the row, are >= threshold. The same function applied to the gradient of y gives that of x.
void dropout(const void* x, void* y, Type type, std::int64_t samples, std::int64_t elements,
             std::uint32_t threshold, float scale, const RandomSource& source, Stream stream);

}  // namespace ddpm::kernels
