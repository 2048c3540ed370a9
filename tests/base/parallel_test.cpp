#include "ddpm/base/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

TEST(ForEachIndex, DoesEverythingOnce) {
  std::vector<std::atomic<int>> calls(1000);
  const auto reasons =
      for_each_index(1000, {.threads = 4}, false, "counting", [&](std::size_t i) { ++calls[i]; });
  EXPECT_EQ(reasons, std::vector<std::string>(1000));
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(for_each_index(0, {}, true, "counting", [](std::size_t) {}).empty());
}

TEST(ForEachIndex, AlwaysFindsTheSameFirstFailure) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> calls = 0;
    const auto reasons = for_each_index(2000, {.threads = 4}, true, "counting", [&](std::size_t i) {
      ++calls;
      if (i % 100 == 37) throw DataError("bad " + std::to_string(i));
    });
    std::size_t first = 0;
    while (reasons[first].empty()) ++first;
    EXPECT_EQ(first, 37U);
    EXPECT_EQ(reasons[37], "bad 37");
    EXPECT_LT(calls, 2000);
  }
}

TEST(ForEachIndex, CollectsAllFailuresOnRequest) {
  const auto reasons = for_each_index(100, {.threads = 3}, false, "counting", [](std::size_t i) {
    if (i % 10 == 0) throw DataError("bad");
  });
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), "bad"), 10);
}

TEST(ForEachIndex, PassesOtherErrorsOn) {
  EXPECT_THROW(for_each_index(100, {.threads = 2}, false, "counting",
                              [](std::size_t) { throw std::logic_error("bug"); }),
               std::logic_error);
}

TEST(ForEachIndex, StopsOnRequest) {
  std::atomic<int> calls = 0;
  try {
    for_each_index(1'000'000, {.threads = 2, .stop = [&] { return calls > 10; }}, false, "counting",
                   [&](std::size_t) {
                     ++calls;
                     std::this_thread::sleep_for(std::chrono::milliseconds(1));
                   });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kInterrupted);
    EXPECT_STREQ(error.what(), "interrupted while counting");
  }
  EXPECT_LT(calls, 10000);
}

}  // namespace
}  // namespace ddpm
