#include "ddpm/diffusion/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

NoiseSchedule make(BetaSchedule schedule, std::int64_t timesteps = 1000) {
  DiffusionConfig config;
  config.schedule = schedule;
  config.timesteps = timesteps;
  return NoiseSchedule(config);
}

// alpha_bar at t = 0, 1, 499, 999 in float64, checked against diffusers' schedulers.
struct Golden {
  BetaSchedule name;
  double values[4];
};

TEST(NoiseSchedule, HasTheReferencesAlphaBars) {
  const Golden goldens[] = {
      {BetaSchedule::kLinear, {0.9999, 0.9997800921, 0.07858724288, 4.035829765e-05}},
      {BetaSchedule::kQuadratic, {0.9999, 0.9997973619, 0.3331877674, 0.0007334124596}},
      {BetaSchedule::kCosine, {0.9999587158, 0.9999125759, 0.4938435904, 2.428766907e-09}},
      {BetaSchedule::kSigmoid, {0.9998507948, 0.9997010188, 0.3019310566, 3.968181991e-05}},
  };
  const std::int64_t times[] = {0, 1, 499, 999};
  for (const Golden& golden : goldens) {
    const NoiseSchedule schedule = make(golden.name);
    for (int i = 0; i < 4; ++i)
      EXPECT_NEAR(schedule.alpha_bar(times[i]) / golden.values[i], 1, 1e-9)
          << name_of(golden.name) << " at " << times[i];
  }
  EXPECT_NEAR(make(BetaSchedule::kCosine, 4000).alpha_bar(3999) / 1.517980469e-10, 1, 1e-9);
}

// The values are from an independent program in float64 that agrees with diffusers.
TEST(NoiseSchedule, EndsInNoiseAloneIfAsked) {
  DiffusionConfig config;
  config.zero_terminal_snr = true;
  const NoiseSchedule schedule(config);
  EXPECT_NEAR(schedule.alpha_bar(0), 0.9999, 1e-12);
  EXPECT_NEAR(schedule.alpha_bar(1), 0.9997793254, 1e-10);
  EXPECT_NEAR(schedule.alpha_bar(499), 0.07602875055, 1e-11);
  EXPECT_NEAR(schedule.alpha_bar(998) / 4.213262465e-09, 1, 1e-8);
  EXPECT_EQ(schedule.alpha_bar(999), 0);
  EXPECT_EQ(schedule.beta(999), 1);
  EXPECT_NEAR(schedule.beta(0), 1e-4, 1e-15);
  EXPECT_NEAR(schedule.beta(499), 1 - schedule.alpha_bar(499) / schedule.alpha_bar(498), 1e-15);
}

TEST(NoiseSchedule, WorksForOneStep) {
  EXPECT_NEAR(make(BetaSchedule::kLinear, 1).alpha_bar(0), 0.9999, 1e-12);
}

TEST(Posterior, HasTheReferencesCoefficients) {
  const NoiseSchedule schedule = make(BetaSchedule::kLinear);
  const auto expect = [&](std::int64_t t, double x0, double xt, double variance) {
    const Posterior p = posterior(schedule, t, t - 1);
    EXPECT_NEAR(p.x0_coefficient / x0, 1, 1e-9);
    EXPECT_NEAR(p.xt_coefficient, xt, 1e-9);
    EXPECT_NEAR(p.variance, variance, 1e-11);
    EXPECT_DOUBLE_EQ(p.jump_beta, schedule.beta(t));
  };
  expect(0, 1, 0, 0);
  expect(1, 0.5452914995, 0.454708499, 5.453187661e-05);
  expect(500, 0.003058057076, 0.9941043508, 0.01005133578);
  expect(999, 0.0001283514872, 0.9899486783, 0.01999998353);
  EXPECT_NEAR(posterior(schedule, 2, 1).variance, 8.548911523e-05, 1e-13);
}

TEST(Posterior, OfAJumpUsesTheRatioOfAlphaBars) {
  const NoiseSchedule schedule = make(BetaSchedule::kLinear);
  const Posterior p = posterior(schedule, 500, 400);
  const double b = 1 - schedule.alpha_bar(500) / schedule.alpha_bar(400);
  EXPECT_NEAR(p.jump_beta, b, 1e-15);
  EXPECT_NEAR(p.variance, b * (1 - schedule.alpha_bar(400)) / (1 - schedule.alpha_bar(500)), 1e-15);
}

}  // namespace
}  // namespace ddpm
