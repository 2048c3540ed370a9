#include "ddpm/sampling/setup.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

TEST(VarianceForSteps, LeavesFixedLargeOnlyForAllSteps) {
  EXPECT_EQ(variance_for_steps(Variance::kFixedLarge, 0, 1000), Variance::kFixedLarge);
  EXPECT_EQ(variance_for_steps(Variance::kFixedLarge, 1000, 1000), Variance::kFixedLarge);
  EXPECT_EQ(variance_for_steps(Variance::kFixedLarge, 999, 1000), Variance::kFixedSmall);
  EXPECT_EQ(variance_for_steps(Variance::kFixedSmall, 0, 1000), Variance::kFixedSmall);
  EXPECT_EQ(variance_for_steps(Variance::kLearnedRange, 10, 1000), Variance::kLearnedRange);
}

TEST(SamplerPlanFor, ClipsToTheRangeOfTheData) {
  Config config;
  config.data.range = PixelRange::kUnit;
  EXPECT_EQ(sampler_plan_for(config, {}).steps[0].minimum, 0);
  EXPECT_EQ(sampler_plan_for(Config{}, {}).steps[0].minimum, -1);
  config.diffusion.clip_x0 = false;
  EXPECT_TRUE(std::isinf(sampler_plan_for(config, {}).steps[0].minimum));
}

TEST(SamplerPlanFor, TakesEverythingThatSamplingSays) {
  Config config;
  config.diffusion.prediction_type = Prediction::kVelocity;
  const SamplerPlan plan = sampler_plan_for(config, {.sampler = SamplerKind::kDdim,
                                                     .steps = 10,
                                                     .spacing = Spacing::kLeading,
                                                     .steps_offset = 1,
                                                     .eta = 0.5,
                                                     .use_clipped_model_output = false,
                                                     .set_alpha_to_one = false});
  const ops::SamplerStep &first = plan.steps.front(), &last = plan.steps.back();
  EXPECT_EQ(first.time, 901);
  EXPECT_EQ(last.time, 1);
  EXPECT_GT(first.next.z, 0);
  EXPECT_GT(first.next.p, 0) << "the predicted noise is used beside the clipped image";
  EXPECT_NEAR(first.from_x, std::sqrt(NoiseSchedule(config.diffusion).alpha_bar(901)), 1e-12)
      << "the prediction is a velocity";
  EXPECT_GT(last.next.p, 0) << "the noise of t = 0 remains in the image";
  EXPECT_FALSE(needs_of(sampler_plan_for(config, {.sampler = SamplerKind::kDdim})).noise);
}

TEST(SamplerPlanFor, RefusesImpossibleSteps) {
  EXPECT_THROW(sampler_plan_for(Config{}, {.steps = 1001}), ConfigError);
  EXPECT_THROW(sampler_plan_for(Config{}, {.spacing = Spacing::kLeading, .steps_offset = 1}),
               ConfigError);
}

Config conditional() {
  Config config;
  config.model.class_embedding = ClassEmbeddingKind::kTable;
  config.model.classes = 7;
  return config;
}

TEST(ClassLabels, DependOnSeedAndIndexAlone) {
  const torch::Tensor all = class_labels(conditional(), 3, 0, 7000, torch::kCPU);
  EXPECT_TRUE(
      torch::equal(class_labels(conditional(), 3, 100, 20, torch::kCPU), all.narrow(0, 100, 20)));
  EXPECT_FALSE(torch::equal(class_labels(conditional(), 4, 0, 7000, torch::kCPU), all));
  const torch::Tensor counts = torch::bincount(all, {}, 7);
  EXPECT_EQ(counts.size(0), 7);
  EXPECT_GT(counts.min().item<double>(), 850);
}

TEST(ClassLabels, CanBeChosen) {
  Config config = conditional();
  config.sampling.class_label = 6;
  EXPECT_TRUE(torch::equal(class_labels(config, 3, 0, 2, torch::kCPU), torch::tensor({6, 6})));
  config.sampling.class_label = 7;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
}

TEST(ClassLabels, AreForClassConditionalNetworks) {
  Config config;
  EXPECT_FALSE(class_labels(config, 3, 0, 2, torch::kCPU).defined());
  config.sampling.class_label = 0;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
  config.model.class_embedding = ClassEmbeddingKind::kTimestep;  // needs a label
  EXPECT_EQ(class_labels(config, 3, 0, 2, torch::kCPU).numel(), 2);
  config.sampling.class_label = -1;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
  config.model.class_embedding = ClassEmbeddingKind::kIdentity;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
}

}  // namespace
}  // namespace ddpm
