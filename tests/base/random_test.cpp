#include "ddpm/base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace ddpm {
namespace {

// The known answers are from Random123's file kat_vectors, for philox4x32 with 10 rounds.
TEST(Philox, AgreesWithRandom123) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(
      philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomKey, EveryPartChangesTheDraw) {
  const RandomKey base{.seed = 1, .stream = RandomStream::kNoise, .step = 2, .sample = 3};
  const std::vector<RandomKey> others = {
      {.seed = 2, .stream = RandomStream::kNoise, .step = 2, .sample = 3},
      {.seed = 1 + (1ull << 32), .stream = RandomStream::kNoise, .step = 2, .sample = 3},
      {.seed = 1, .stream = RandomStream::kFlip, .step = 2, .sample = 3},
      {.seed = 1, .stream = RandomStream::kNoise, .step = 3, .sample = 3},
      {.seed = 1, .stream = RandomStream::kNoise, .step = 2 + (1ull << 32), .sample = 3},
      {.seed = 1, .stream = RandomStream::kNoise, .step = 2, .sample = 4},
      {.seed = 1, .stream = RandomStream::kNoise, .step = 2, .sample = 3 + (1ull << 32)},
  };
  for (const RandomKey& other : others) EXPECT_NE(random_block(base, 0), random_block(other, 0));
  EXPECT_NE(random_block(base, 0), random_block(base, 1));
}

TEST(RandomBelow, IsUniform) {
  constexpr std::uint64_t kBound = 1000;
  constexpr int kDraws = 200000;
  std::vector<int> histogram(kBound);
  for (int i = 0; i < kDraws; ++i)
    ++histogram[random_below(
        {.seed = 7, .stream = RandomStream::kTimestep, .sample = static_cast<std::uint64_t>(i)}, 0,
        kBound)];
  double chi_square = 0;
  const double expected = double(kDraws) / kBound;
  for (const int count : histogram) {
    EXPECT_GT(count, 0);  // also for 0 and 999
    chi_square += (count - expected) * (count - expected) / expected;
  }
  // 999 degrees of freedom: mean 999, standard deviation 44.7.
  EXPECT_NEAR(chi_square, 999, 5 * 44.7);
}

TEST(UnitFloat, StaysInsideTheOpenInterval) {
  EXPECT_FLOAT_EQ(unit_float(0), 0.5f * 0x1p-23f);
  EXPECT_EQ(unit_float(0xFFFFFFFFu), 1.0f - 0x1p-24f);
  EXPECT_LT(unit_float(0xFFFFFFFFu), 1.0f);
  EXPECT_TRUE(std::isfinite(std::log(unit_float(0))));
  EXPECT_EQ(unit_float(0x80000000u), 0.5f + 0x1p-24f);
}

}  // namespace
}  // namespace ddpm
