// Binds the thread that calls to one of the cores that it may use.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

namespace ddpm::testing {

// Threads and programs that this thread starts from now on inherit the binding.
inline void bind_to_one_core() {
  cpu_set_t all, first;
  CPU_ZERO(&all);
  CPU_ZERO(&first);
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++i)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &first);
  ASSERT_EQ(::sched_setaffinity(0, sizeof first, &first), 0);
}

}  // namespace ddpm::testing
