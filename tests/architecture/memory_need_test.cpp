#include "ddpm/architecture/memory_need.h"

#include <gtest/gtest.h>

#include <limits>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;

constexpr double kGiB = 1 << 30;
constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr UsableMemory kNotKnown{.free = kInfinite, .total = kInfinite};

Config paper() {
  Config config;
  config.model = testing::ho_cifar10();
  config.run.precision = Precision::kFp32;
  return config;
}
const Cost& paper_cost() {
  static const Cost kCost = estimate_cost(testing::ho_cifar10(), 3, 32, 32);
  return kCost;
}
bool fits(const MemoryNeed& need, const UsableMemory& host, const UsableMemory& gpu = kNotKnown) {
  try {
    require_memory("training", need, host, gpu, "");
    return true;
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), ExitCode::kFailure);
    return false;
  }
}

TEST(MemoryNeed, OnlyWhatIsClearlyTooMuchIsRefused) {
  const MemoryNeed need{.host = 10 * kGiB};
  for (const double free : {100.0, 10.0, 9.0, 8.0})
    EXPECT_TRUE(fits(need, {.free = free * kGiB, .total = 100 * kGiB})) << free;
  for (const double free : {7.9, 1.0, 0.0})
    EXPECT_FALSE(fits(need, {.free = free * kGiB, .total = 100 * kGiB})) << free;
  EXPECT_TRUE(fits(need, kNotKnown));
}

TEST(MemoryNeed, HostAndGpuAreComparedWithTheirOwnMemory) {
  const UsableMemory small{.free = kGiB, .total = 2 * kGiB},
      large{.free = 50 * kGiB, .total = 80 * kGiB};
  EXPECT_TRUE(fits({.host = kGiB, .gpu = 50 * kGiB}, small, large));
  EXPECT_FALSE(fits({.host = 50 * kGiB, .gpu = kGiB}, small, large));
  EXPECT_FALSE(fits({.host = kGiB, .gpu = 50 * kGiB}, large, small));
  EXPECT_TRUE(fits({}, {.free = 0, .total = kGiB}, {.free = 0, .total = kGiB}));
}

TEST(MemoryNeed, TheMessageHasTheNumbersAndWaysOut) {
  const std::string host = message_of<DeviceError>([] {
    require_memory("training", {.host = 12.25 * kGiB},
                   {.free = 3 * kGiB, .total = 4 * kGiB, .whose = "that this container may use"},
                   kNotKnown, "Use less");
  });
  EXPECT_EQ(
      host,
      "training needs about 12.2 GiB of memory, but only 3.0 GiB are free of the 4.0 GiB that "
      "this container may use. Use less, or try it all the same with --force");
  const std::string gpu = message_of<DeviceError>([] {
    require_memory("sampling", {.gpu = 100 * kGiB}, kNotKnown,
                   {.free = 70 * kGiB, .total = 80 * kGiB, .whose = "of cuda:0"}, "Use less");
  });
  EXPECT_TRUE(contains(gpu,
                       "sampling needs about 100.0 GiB of GPU memory, but only 70.0 GiB are "
                       "free of the 80.0 GiB of cuda:0."))
      << gpu;
}

// The measured peaks of tests/architecture/cost_test.cpp: a training or sampling that was measured
// must be allowed where exactly that much is free, and refused where half of it is.
TEST(MemoryNeed, WhatWasMeasuredIsAllowedAndHalfOfItIsRefused) {
  const auto expect = [](const MemoryNeed& need, double measured, double gpu_measured) {
    const UsableMemory host{.free = measured, .total = kInfinite};
    const UsableMemory gpu{.free = gpu_measured, .total = kInfinite};
    EXPECT_TRUE(fits(need, host, gpu)) << measured << " " << gpu_measured;
    const bool on_gpu = gpu_measured < kInfinite;
    const UsableMemory half_host{.free = on_gpu ? measured : measured / 2, .total = kInfinite};
    const UsableMemory half_gpu{.free = gpu_measured / 2, .total = kInfinite};
    EXPECT_FALSE(fits(need, half_host, half_gpu)) << measured << " " << gpu_measured;
  };
  Config config = paper();
  for (const auto& [batch, megabytes] : {std::pair{4, 2488.0}, {16, 3307.0}}) {
    config.training.batch_size = batch;
    expect(training_need(paper_cost(), config, false), megabytes * 1e6 - kProgramBytes, kInfinite);
  }
  for (const auto& [batch, mebibytes] : {std::pair{16, 630.0}, {64, 1232.0}})
    expect(sampling_need(paper_cost(), config, batch, 0, false),
           mebibytes * (1 << 20) - kProgramBytes, kInfinite);
  config.run.precision = Precision::kBf16;
  for (const auto& [batch, gibibytes] : {std::pair{128, 2.84}, {256, 4.9}, {512, 9.12}}) {
    config.training.batch_size = batch;
    expect(training_need(paper_cost(), config, true), kInfinite, gibibytes * kGiB);
  }
}

TEST(MemoryNeed, MicroBatchesAndBf16TakeLess) {
  Config config = paper();
  config.training.batch_size = 64;
  for (const bool on_gpu : {false, true}) {
    const auto need = [&] {
      const MemoryNeed result = training_need(paper_cost(), config, on_gpu);
      return on_gpu ? result.gpu : result.host;
    };
    config.training.micro_batches = 1;
    config.run.precision = Precision::kFp32;
    const double whole = need();
    config.training.micro_batches = 4;
    EXPECT_LT(need(), 0.7 * whole);
    config.training.micro_batches = 1;
    config.run.precision = Precision::kBf16;
    EXPECT_LT(need(), 0.8 * whole);
    EXPECT_GT(need(), 0.4 * whole);
  }
}

TEST(MemoryNeed, OfSamplingCountsWhatIsKeptOnTheHost) {
  Config config = paper();
  for (const bool on_gpu : {false, true}) {
    const MemoryNeed little = sampling_need(paper_cost(), config, 8, 0, on_gpu);
    const MemoryNeed much = sampling_need(paper_cost(), config, 8, 5 * kGiB, on_gpu);
    EXPECT_NEAR(much.host - little.host, 5 * kGiB, 1);
    EXPECT_EQ(much.gpu, little.gpu);
    EXPECT_EQ(little.gpu > 0, on_gpu);
  }
}

}  // namespace
}  // namespace ddpm
