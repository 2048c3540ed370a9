// Gathers the gradients of a network in one flat array.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// One parameter's gradient: `count` contiguous elements in device memory, and their place in the
// flat array.
struct GradientSource {
  const void* source = nullptr;
  std::int64_t offset = 0;  // elements, a multiple of 64
  std::int64_t count = 0;
};

// Copies every source, of `source_type`, to flat + offset, whose elements are of `type`, or adds it there (in
// float32, rounded once). `sources` is
// host memory and may be freed after the call: the launches, and a graph recorded from them, hold
// the addresses. Gaps between the targets do not change.
void gather_gradients(const GradientSource* sources, std::int64_t source_count, Type source_type,
                      void* flat, Type type, bool accumulate, Stream stream);

}  // namespace ddpm::kernels
