// The processes that do one job together.
#pragma once

#include <cstdint>

namespace ddpm {

// Which of them this one is; alone, unless told otherwise.
struct World {
  std::int64_t rank = 0;  // in [0, size)
  std::int64_t size = 1;  // processes

  // The same among the processes on this machine.
  std::int64_t local_rank = 0;
  std::int64_t local_size = 1;

  bool leads() const { return rank == 0; }
};

}  // namespace ddpm
