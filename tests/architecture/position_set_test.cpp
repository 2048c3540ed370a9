#include "ddpm/architecture/position_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "config/config_error.h"

namespace ddpm {
namespace {

using Positions = std::set<std::int64_t>;

Positions positions_of(const PositionSet& set) {
  Positions result;
  for (const Interval& run : set.runs())
    for (std::int64_t x = run.low; x <= run.high; ++x) result.insert(x);
  return result;
}

PositionSet set_of(const Positions& positions) {
  std::vector<Interval> intervals;
  for (const std::int64_t x : positions) intervals.push_back({x, x});
  return PositionSet(std::move(intervals));
}

TEST(PositionSet, DividesTowardsMinusInfinity) {
  EXPECT_EQ(floor_division(-1, 2), -1);
  EXPECT_EQ(floor_division(-4, 2), -2);
  EXPECT_EQ(floor_division(5, 2), 2);
  EXPECT_EQ(ceil_division(-1, 2), 0);
  EXPECT_EQ(ceil_division(-5, 2), -2);
  EXPECT_EQ(ceil_division(5, 2), 3);
}

TEST(PositionSet, JoinsNeighboursAndOverlaps) {
  PositionSet set(std::vector<Interval>{{5, 9}, {0, 1}, {3, 2}, {2, 3}});
  EXPECT_EQ(set.runs(), (std::vector<Interval>{{0, 3}, {5, 9}}));
  EXPECT_EQ(set.count(), 9);
  EXPECT_EQ(set.hull(), (Interval{0, 9}));
  EXPECT_TRUE(set.has_holes());
  set.add(PositionSet(Interval{4, 4}));
  EXPECT_EQ(set.runs(), (std::vector<Interval>{{0, 9}}));
  EXPECT_FALSE(set.has_holes());
  set.clip({3, 100});
  EXPECT_EQ(set.hull(), (Interval{3, 9}));
  set.clip({50, 60});
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.hull().empty());
}

// Each tap of each position is followed by itself.
TEST(PositionSet, CarriesEveryTap) {
  std::mt19937 random(1);
  const auto draw = [&](int least, int most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  for (int round = 0; round < 3000; ++round) {
    const Taps taps = {draw(1, 6), draw(1, 5), draw(0, 7), draw(1, 6)};
    Positions positions;
    for (std::int64_t x = -12; x <= 12; ++x)
      if (draw(0, round % 4 + 1) > 0) positions.insert(x);
    Positions fine, coarse;
    for (std::int64_t x = -60; x <= 60; ++x)
      for (std::int64_t j = 0; j < taps.kernel; ++j) {
        const std::int64_t tap = x * taps.stride - taps.padding + taps.dilation * j;
        if (positions.contains(x)) fine.insert(tap);
        if (positions.contains(tap)) coarse.insert(x);
      }
    const PositionSet set = set_of(positions);
    Work work;
    ASSERT_EQ(positions_of(spread(set, taps, work)), fine)
        << taps.kernel << " " << taps.stride << " " << taps.padding << " " << taps.dilation;
    ASSERT_EQ(positions_of(gather(set, taps, work)), coarse)
        << taps.kernel << " " << taps.stride << " " << taps.padding << " " << taps.dilation;
  }
}

TEST(PositionSet, RefusesWhatWouldFillTheMemory) {
  const Taps lone = {.kernel = kMaxTap, .stride = kMaxTap, .dilation = kMaxTap};
  const PositionSet many(Interval{0, kMaxPosition - 1});
  Work work;
  EXPECT_NE(config_error([&] { spread(many, lone, work); }).find("too many"), std::string::npos);
}

// Work adds up over calls.
TEST(PositionSet, RefusesWhatWouldTakeLong) {
  const Taps lone = {.kernel = 1'000'000, .dilation = 2};
  Work work;
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(gather(PositionSet(Interval{0, 0}), lone, work).count(), 1'000'000);
  EXPECT_NE(config_error([&] {
              gather(PositionSet(Interval{0, 0}), lone, work);
            }).find("too many"),
            std::string::npos);
}

}  // namespace
}  // namespace ddpm
