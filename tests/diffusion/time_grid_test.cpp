#include "ddpm/diffusion/time_grid.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/diffusion/sampler.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using Grid = std::vector<std::int64_t>;

const NoiseSchedule& linear() {
  static const NoiseSchedule schedule{DiffusionConfig{}};
  return schedule;
}

TEST(TimeGrid, AgreesWithTheReferences) {
  EXPECT_EQ(time_grid(linear(), 10, Spacing::kLinspace),
            (Grid{999, 888, 777, 666, 555, 444, 333, 222, 111, 0}));
  EXPECT_EQ(time_grid(linear(), 10, Spacing::kLeading),
            (Grid{900, 800, 700, 600, 500, 400, 300, 200, 100, 0}));
  EXPECT_EQ(time_grid(linear(), 10, Spacing::kTrailing),
            (Grid{999, 899, 799, 699, 599, 499, 399, 299, 199, 99}));
  // These are openai/improved-diffusion's space_timesteps(1000, "25").
  EXPECT_EQ(time_grid(linear(), 25, Spacing::kLinspace),
            (Grid{999, 957, 916, 874, 832, 791, 749, 708, 666, 624, 583, 541, 500,
                  458, 416, 375, 333, 291, 250, 208, 166, 125, 83,  42,  0}));
}

// [int(s) for s in list(np.linspace(0, np.sqrt(1000 * 0.8), S) ** 2)] of ermongroup/ddim.
TEST(TimeGrid, QuadraticIsThatOfDdim) {
  EXPECT_EQ(time_grid(linear(), 10, Spacing::kQuadratic),
            (Grid{800, 632, 483, 355, 246, 158, 88, 39, 9, 0}));
  EXPECT_EQ(time_grid(linear(), 5, Spacing::kQuadratic), (Grid{800, 450, 200, 50, 0}));
  EXPECT_EQ(time_grid(linear(), 20, Spacing::kQuadratic),
            (Grid{800, 718, 640, 567, 498, 434, 374, 319, 268, 221,
                  179, 141, 108, 79,  55,  35,  19,  8,   2,   0}));
  EXPECT_EQ(time_grid(linear(), 1, Spacing::kQuadratic), Grid{800});
  // Its code repeats 0 there.
  const Grid many = time_grid(linear(), 50, Spacing::kQuadratic);
  EXPECT_EQ((Grid{many.end() - 5, many.end()}), (Grid{5, 3, 2, 1, 0}));
}

// lambda of the linear schedule falls from -ln 0.01000050003 to -ln 157.4072810.
TEST(TimeGrid, LogsnrHasEvenlySpacedLevels) {
  const Grid grid = time_grid(linear(), 10, Spacing::kLogsnr);
  EXPECT_EQ(grid.front(), 999);
  EXPECT_EQ(grid.back(), 0);
  const auto log_kappa = [&](std::int64_t t) {
    return std::log((1 - linear().alpha_bar(t)) / linear().alpha_bar(t)) / 2;
  };
  const double first = std::log(157.4072810), last = std::log(0.01000050003);
  for (std::int64_t i = 1; i < 9; ++i) {
    const std::int64_t t = grid[static_cast<std::size_t>(i)];
    const double wanted = first + static_cast<double>(i) * (last - first) / 9;
    const double miss = std::abs(log_kappa(t) - wanted);
    EXPECT_LE(miss, std::abs(log_kappa(t - 1) - wanted)) << t;
    EXPECT_LE(miss, std::abs(log_kappa(t + 1) - wanted)) << t;
  }
}

TEST(TimeGrid, IsStrictlyDescendingWithinRangeForEveryStepCount) {
  DiffusionConfig cosine{.schedule = BetaSchedule::kCosine, .zero_terminal_snr = true};
  for (const NoiseSchedule& schedule : {linear(), NoiseSchedule(cosine)})
    for (const Spacing spacing : kChoices<Spacing>)
      for (std::int64_t steps = 1; steps <= 1000; ++steps) {
        const Grid grid = time_grid(schedule, steps, spacing);
        ASSERT_EQ(static_cast<std::int64_t>(grid.size()), steps);
        EXPECT_LE(grid.front(), 999);
        EXPECT_GE(grid.back(), 0);
        for (std::size_t i = 1; i < grid.size(); ++i)
          ASSERT_LT(grid[i], grid[i - 1]) << name_of(spacing) << " " << steps;
      }
}

TEST(TimeGrid, RefusesImpossibleCounts) {
  EXPECT_THROW(time_grid(linear(), 0, Spacing::kLinspace), ConfigError);
  EXPECT_THROW(time_grid(linear(), 1001, Spacing::kLinspace), ConfigError);
}

// What openai/improved-diffusion's space_timesteps gives.
TEST(RespacedGrid, HasSectionsOfOpenAi) {
  EXPECT_EQ(respaced_grid(1000, "10,15"),
            (Grid{999, 963, 928, 892, 856, 821, 785, 750, 714, 678, 643, 607, 571,
                  536, 500, 499, 444, 388, 333, 277, 222, 166, 111, 55,  0}));
  EXPECT_EQ(respaced_grid(1000, "10"), (Grid{999, 888, 777, 666, 555, 444, 333, 222, 111, 0}));
  EXPECT_EQ(respaced_grid(10, "1,2,1"), (Grid{7, 6, 4, 0}));
  EXPECT_EQ(respaced_grid(10, "0,2"), (Grid{9, 5}));
}

TEST(RespacedGrid, HasStridesOfOpenAi) {
  EXPECT_EQ(respaced_grid(1000, "ddim10"), (Grid{900, 800, 700, 600, 500, 400, 300, 200, 100, 0}));
  const Grid uneven = respaced_grid(1000, "ddim143");  // every seventh, since 7 * 142 < 1000
  EXPECT_EQ(uneven.size(), 143);
  EXPECT_EQ(uneven.front(), 994);
}

TEST(RespacedGrid, RefusesWhatCannotBe) {
  const auto error = [](const char* text) {
    return message_of<ConfigError>([&] { respaced_grid(1000, text); });
  };
  EXPECT_TRUE(contains(error("ddim37"), "choose ddim38 or ddim36, or --steps 37"))
      << error("ddim37");
  EXPECT_TRUE(contains(error("10,600"), "600 of 1000 timesteps in section 2, which has only 500"))
      << error("10,600");
  EXPECT_TRUE(contains(error("0,0"), "no steps"));
  for (const char* text : {"", "ddim", "10,", "1;2", "-3", "10,x"})
    EXPECT_TRUE(contains(error(text), "ddim50 or 10,15,20")) << error(text);
}

}  // namespace
}  // namespace ddpm
