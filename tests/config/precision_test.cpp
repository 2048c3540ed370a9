#include "ddpm/config/precision.h"

#include <gtest/gtest.h>

#include "ddpm/base/choice.h"
#include "ddpm/config/config.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

TEST(Precision, IsChosenByDefault) { EXPECT_EQ(Config{}.run.precision, Precision::kAuto); }

// Compute capabilities of NVIDIA's GPUs: bf16 came with Ampere (A100, RTX 30).
TEST(Precision, AutoIsBf16OnGpusThatHaveUnitsForIt) {
  for (const int capability : {80, 86, 87, 89, 90, 100, 103, 120}) {
    const ChosenPrecision chosen = choose_precision(Precision::kAuto, capability);
    EXPECT_EQ(chosen.precision, Precision::kBf16) << capability;
    EXPECT_EQ(chosen.reason, "auto: this GPU has bf16 units; --precision fp32 for full precision");
  }
  for (const int capability : {50, 61, 70, 72, 75}) {
    const ChosenPrecision chosen = choose_precision(Precision::kAuto, capability);
    EXPECT_EQ(chosen.precision, Precision::kFp32) << capability;
    EXPECT_TRUE(contains(chosen.reason, "no bf16 units")) << chosen.reason;
  }
}

TEST(Precision, AutoIsFp32OnCpusAndUnknownGpus) {
  EXPECT_EQ(choose_precision(Precision::kAuto, std::nullopt).precision, Precision::kFp32);
  EXPECT_TRUE(contains(choose_precision(Precision::kAuto, std::nullopt).reason, "CPU"));
  EXPECT_EQ(choose_precision(Precision::kAuto, 0).precision, Precision::kFp32);
  EXPECT_TRUE(contains(choose_precision(Precision::kAuto, 0).reason, "not known"));
}

TEST(Precision, WhatWasAskedForIsTakenOnEveryDevice) {
  for (const Precision asked : {Precision::kFp32, Precision::kTf32, Precision::kBf16})
    for (const std::optional<int> gpu : {std::optional<int>(), {0}, {75}, {90}}) {
      const ChosenPrecision chosen = choose_precision(asked, gpu);
      EXPECT_EQ(chosen.precision, asked);
      EXPECT_EQ(chosen.reason, "");
    }
}

}  // namespace
}  // namespace ddpm
