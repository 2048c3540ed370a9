// The gradients of a network, gathered in one flat array.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// One parameter's gradient: `count` contiguous elements in device memory, and where they go in the
// flat array.
struct GradientSource {
  const void* source = nullptr;
  std::int64_t offset = 0;  // elements, a multiple of 64
  std::int64_t count = 0;
};

// Copies every source to flat + offset, or adds it there (in float32, rounded once). `sources` is
// host memory, free after the call: the addresses travel in the launches, and a recorded graph
// keeps them. Gaps between the sources are left alone.
void gather_gradients(const GradientSource* sources, std::int64_t source_count, void* flat,
                      Type type, bool accumulate, Stream stream);

}  // namespace ddpm::kernels
