#include "ddpm/distributed/placement.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <torch/cuda.h>

#include <algorithm>
#include <string>

#include "ddpm/base/machine.h"

namespace ddpm {
namespace {

constexpr World kOneOfTwo = {.rank = 3, .size = 4, .local_rank = 1, .local_size = 2};

TEST(Placement, AProcessAloneUsesWhatWasAskedFor) {
  EXPECT_EQ(device_of("auto", {}), "auto");
  EXPECT_EQ(device_of("cuda", {}), "cuda");
  EXPECT_EQ(threads_of(0, {}), 0);
  EXPECT_EQ(threads_of(3, {}), 3);
}

TEST(Placement, EachProcessHasItsOwnGpu) {
  const auto gpus = static_cast<std::int64_t>(torch::cuda::device_count());
  EXPECT_EQ(device_of("auto", kOneOfTwo), gpus == 0 ? "auto" : "cuda:" + std::to_string(1 % gpus));
  EXPECT_EQ(device_of("cpu", kOneOfTwo), "cpu");
  EXPECT_EQ(device_of("cuda:5", kOneOfTwo), "cuda:5");
}

TEST(Placement, ProcessesShareTheCores) {
  ::unsetenv("OMP_NUM_THREADS");
  ::unsetenv("TORCHELASTIC_RUN_ID");
  EXPECT_EQ(threads_of(0, kOneOfTwo), std::max(usable_cores() / 2, 1));
  EXPECT_EQ(threads_of(5, kOneOfTwo), 5);
  ::setenv("OMP_NUM_THREADS", "1", 1);
  EXPECT_EQ(threads_of(0, kOneOfTwo), 0);  // what the user set counts
  ::setenv("TORCHELASTIC_RUN_ID", "none", 1);
  EXPECT_EQ(threads_of(0, kOneOfTwo), std::max(usable_cores() / 2, 1));  // that was torchrun
  ::setenv("OMP_NUM_THREADS", "3", 1);
  EXPECT_EQ(threads_of(0, kOneOfTwo), 0);
  ::unsetenv("OMP_NUM_THREADS");
  ::unsetenv("TORCHELASTIC_RUN_ID");
}

}  // namespace
}  // namespace ddpm
