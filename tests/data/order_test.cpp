#include "ddpm/data/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace ddpm {
namespace {

std::vector<std::uint64_t> epoch_order(std::uint64_t count, std::uint64_t seed,
                                       std::uint64_t epoch) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < count; ++i) order.push_back(shuffled_index(i, count, seed, epoch));
  return order;
}

TEST(ShuffledIndex, IsAPermutationForAnyCount) {
  for (const std::uint64_t count : {1U, 2U, 3U, 4U, 5U, 7U, 16U, 17U, 1000U, 50000U}) {
    std::vector<std::uint64_t> order = epoch_order(count, 3, 5);
    std::sort(order.begin(), order.end());
    std::vector<std::uint64_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(order, expected) << count;
  }
}

TEST(ShuffledIndex, IsSpreadOverLargeCounts) {
  constexpr std::uint64_t kCount = std::uint64_t{1} << 40;
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < 1000; ++i) order.push_back(shuffled_index(i, kCount, 1, 0));
  EXPECT_LT(*std::max_element(order.begin(), order.end()), kCount);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(std::unique(order.begin(), order.end()), order.end());
  EXPECT_NEAR(static_cast<double>(order[500]) / static_cast<double>(kCount), 0.5, 0.06);
}

TEST(ShuffledIndex, DiffersBetweenEpochsAndSeeds) {
  const auto base = epoch_order(1000, 0, 0);
  for (const auto& other : {epoch_order(1000, 0, 1), epoch_order(1000, 1, 0)}) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < base.size(); ++i) equal += base[i] == other[i] ? 1 : 0;
    EXPECT_LT(equal, 10U);  // two random permutations agree in one place on average
  }
  EXPECT_EQ(base, epoch_order(1000, 0, 0));
}

// Over many epochs every image comes equally often at every position. The chi-square test has 100
// cells whose rows and columns have fixed sums: 81 degrees of freedom, 0.9999 quantile 136.
TEST(ShuffledIndex, IsUniform) {
  constexpr std::uint64_t kCount = 10;
  constexpr int kEpochs = 10000;
  std::vector<double> cells(kCount * kCount);
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch)
    for (std::uint64_t i = 0; i < kCount; ++i)
      ++cells[i * kCount + shuffled_index(i, kCount, 7, epoch)];
  const double expected = kEpochs / static_cast<double>(kCount);
  double chi_square = 0;
  for (const double cell : cells) chi_square += (cell - expected) * (cell - expected) / expected;
  EXPECT_LT(chi_square, 136.0);
  EXPECT_GT(chi_square, 41.0);
}

// Neighbours in the order are not neighbours in the data: the mean distance of two random images is
// count / 3.
TEST(ShuffledIndex, SeparatesNeighbours) {
  const auto order = epoch_order(3000, 11, 2);
  double distance = 0;
  for (std::size_t i = 1; i < order.size(); ++i)
    distance += std::abs(static_cast<double>(order[i]) - static_cast<double>(order[i - 1]));
  EXPECT_NEAR(distance / 2999, 1000.0, 50.0);
}

TEST(DatasetIndex, TakesOneEpochAfterTheOther) {
  for (const std::uint64_t position : {0U, 4U, 5U, 9U, 12U})
    EXPECT_EQ(dataset_index(position, 5, 9), shuffled_index(position % 5, 5, 9, position / 5));
}

// The order must never change: a resumed run must see the images that the uninterrupted run would
// have seen.
TEST(ShuffledIndex, NeverChanges) {
  EXPECT_EQ(epoch_order(10, 0, 0), (std::vector<std::uint64_t>{3, 7, 4, 6, 1, 2, 9, 0, 8, 5}));
}

}  // namespace
}  // namespace ddpm
