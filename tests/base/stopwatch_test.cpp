#include "ddpm/base/stopwatch.h"

#include <gtest/gtest.h>

#include <thread>

namespace ddpm {
namespace {

void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

TEST(Stopwatch, RunsFromTheStart) {
  const Stopwatch watch;
  wait();
  EXPECT_GE(watch.seconds(), 0.02);
}

TEST(Stopwatch, DoesNotCountItsRests) {
  Stopwatch watch;
  wait();
  watch.pause();
  const double before = watch.seconds();
  wait();
  watch.pause();  // no effect: it is paused
  EXPECT_EQ(watch.seconds(), before);
  watch.resume();
  wait();
  watch.resume();  // it is running: the time so far is kept
  EXPECT_GE(watch.seconds(), before + 0.02);
  watch = {};
  EXPECT_LT(watch.seconds(), before);
}

}  // namespace
}  // namespace ddpm
