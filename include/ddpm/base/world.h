// The processes that do one job together.
#pragma once

#include <cstdint>

namespace ddpm {

// Which of them this one is; alone, unless told otherwise.
struct World {
  std::int64_t rank = 0;  // in [0, size)
  std::int64_t size = 1;  // processes
};

}  // namespace ddpm
