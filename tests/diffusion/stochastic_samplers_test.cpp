// Samplers that add noise in their steps, and the timesteps of samplers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {
namespace {

const NoiseSchedule& linear() {
  static const NoiseSchedule schedule{DiffusionConfig{}};
  return schedule;
}

// With a constant image the stochastic equation is solved exactly, so the variance after a step is that
// of the level.
TEST(Solvers, TwoHalvesOfAStochasticStepHaveTheNoiseOfTheWhole) {
  const SamplerPlan plan = sampler_plan(SamplerKind::kDpmSolverSde, linear(),
                                        {.steps = 4,
                                         .spacing = Spacing::kTrailing,
                                         .prediction = Prediction::kImage,
                                         .clip_x0 = false});
  const ops::SamplerStep &first = plan.steps.at(2), &second = plan.steps.at(3);
  const double by_x = first.kept.x, by_earlier = first.kept.z, by_later = second.next.z;
  const double a = linear().alpha_bar(749), b = linear().alpha_bar(499);
  const double noise = by_x * by_x * (1 - a) + by_earlier * by_earlier + by_later * by_later;
  EXPECT_NEAR(noise, 1 - b, 1e-12);
  EXPECT_NEAR(by_x * std::sqrt(a) + second.next.m0, std::sqrt(b), 1e-12);
  EXPECT_EQ(second.next.s, 1);
}

// Churn keeps the distribution: an image with the noise of a level still has the noise of the level it
// is told.
TEST(Solvers, ChurnRaisesTheLevelWithItsNoise) {
  const SamplerPlan plan = sampler_plan(SamplerKind::kEuler, linear(),
                                        {.steps = 10,
                                         .from_picture = true,
                                         .skip = 3,
                                         .spacing = Spacing::kTrailing,
                                         .prediction = Prediction::kImage,
                                         .churn = {.amount = 2},
                                         .clip_x0 = false});
  ASSERT_EQ(plan.steps.size(), 7);
  const double kappa = std::sqrt((1 - linear().alpha_bar(699)) / linear().alpha_bar(699));
  const double raised = kappa * (1 + 2.0 / 7);
  EXPECT_NEAR(plan.steps[0].sigma / plan.steps[0].signal, raised, 1e-12);
  EXPECT_NEAR(plan.start_noise / plan.start_image, raised, 1e-12);
  EXPECT_GT(plan.steps[0].time, 699);
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
    const ops::SamplerStep &row = plan.steps[i], &after = plan.steps[i + 1];
    const double noise = row.next.x * row.sigma;  // with a constant image
    EXPECT_NEAR(noise * noise + row.next.z * row.next.z, after.sigma * after.sigma, 1e-12);
    EXPECT_NEAR(row.next.x * row.signal + row.next.m0, after.signal, 1e-12);
  }
  EXPECT_EQ(plan.steps.back().next.z, 0);
}

TEST(Solvers, VisitGivenTimesteps) {
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    const SamplerPlan plan = sampler_plan(kind, linear(), {.timesteps = {900, 500, 30}});
    std::vector<double> times;
    for (const ops::SamplerStep& row : plan.steps) times.push_back(row.time);
    for (const double t : {900.0, 500.0, 30.0})
      EXPECT_TRUE(std::ranges::find(times, t) != times.end()) << name_of(kind);
  }
}

TEST(Lcm, ChoosesFromTheTimestepsOfDistillation) {
  const auto times = [](std::int64_t steps, std::int64_t skip = 0) {
    std::vector<double> list;
    for (const ops::SamplerStep& row :
         sampler_plan(SamplerKind::kLcm, linear(), {.steps = steps, .skip = skip}).steps)
      list.push_back(row.time);
    return list;
  };
  EXPECT_EQ(times(4), (std::vector<double>{999, 759, 499, 259}));
  EXPECT_EQ(times(4, 2), (std::vector<double>{499, 259}));
  EXPECT_EQ(times(1), (std::vector<double>{999}));
  EXPECT_EQ(times(100).at(1), 989) << "more than 50 steps are those of trailing";
}

}  // namespace
}  // namespace ddpm
