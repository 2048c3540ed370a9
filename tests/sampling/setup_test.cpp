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

TEST(ClassLabels, AreDealtOutInTurn) {
  const std::vector<std::int64_t> classes = {5, 0, 2};
  const torch::Tensor labels = class_labels(conditional(), 3, 4, 5, torch::kCPU, classes);
  EXPECT_TRUE(torch::equal(labels, torch::tensor({0, 2, 5, 0, 2})));
  EXPECT_THROW(class_labels(conditional(), 3, 0, 2, torch::kCPU, std::vector<std::int64_t>{7}),
               ConfigError);
}

// --- Guidance ------------------------------------------------------------------------------------------

std::int64_t negative_of(const Config& config) {
  return guidance_for(config, {}, torch::kCPU)->negative.labels.item<std::int64_t>();
}

TEST(GuidanceOfAConfig, LeadsAwayFromTheNullClassOrAnother) {
  Config config = conditional();
  EXPECT_FALSE(guidance_for(config, {}, torch::kCPU));
  config.sampling.guidance = 2;
  EXPECT_THROW(guidance_for(config, {}, torch::kCPU), ConfigError);
  config.sampling.negative_class = 6;
  EXPECT_EQ(negative_of(config), 6);
  config.sampling.negative_class = 7;
  EXPECT_THROW(guidance_for(config, {}, torch::kCPU), ConfigError);
  config.sampling.negative_class = -1;
  config.model.null_class = true;
  EXPECT_EQ(negative_of(config), 7);
  EXPECT_THROW(guidance_for(Config{.sampling = config.sampling}, {}, torch::kCPU), ConfigError);
}

TEST(GuidanceOfAConfig, IsForAnIntervalOfNoiseLevels) {
  Config config = conditional();
  config.sampling = {.steps = 10, .guidance = 2, .guidance_low = 0.5, .guidance_high = 20};
  std::vector<double> scales;
  for (const ops::SamplerStep& row : sampler_plan_for(config, config.sampling).steps)
    scales.push_back(row.guidance);
  // kappa is 157, 53, 21, 9.6, 4.8, 2.6, 1.5, 0.87, 0.44 and 0.01.
  EXPECT_EQ(scales, (std::vector<double>{1, 1, 1, 2, 2, 2, 2, 2, 1, 1}));
}

TEST(GuideModels, MustBeOfTheSameProcess) {
  Config model = conditional(), guide = conditional();
  model.data = guide.data = {.height = 32, .width = 32, .channels = 3};
  EXPECT_NO_THROW(check_guide(model, guide));
  guide.model.class_embedding = ClassEmbeddingKind::kNone;
  EXPECT_NO_THROW(check_guide(model, guide));
  EXPECT_THROW(check_guide(guide, model), ConfigError);  // there is no class to give it
  guide.diffusion.prediction_type = Prediction::kVelocity;
  EXPECT_THROW(check_guide(model, guide), ConfigError);
  guide = model;
  guide.model.width_multipliers = std::vector<std::int64_t>(7, 1);  // 32 cannot be halved six times
  EXPECT_THROW(check_guide(model, guide), ConfigError);
}

// --- Edits ---------------------------------------------------------------------------------------------

// The golden numbers were computed with math.sin and math.acos of Python.
TEST(Slerp, GoesAlongTheArc) {
  const torch::Tensor a = torch::tensor({1.0, 0.0}).view({1, 1, 1, 2}),
                      b = torch::tensor({0.6, 0.8}).view({1, 1, 1, 2});
  const torch::Tensor between = slerp(a, b, 0.3).flatten();
  EXPECT_NEAR(between[0].item<double>(), 0.961554461, 1e-6);
  EXPECT_NEAR(between[1].item<double>(), 0.274614307, 1e-6);
  EXPECT_TRUE(torch::allclose(slerp(a, b, 0), a));
  EXPECT_TRUE(torch::allclose(slerp(a, b, 1), b));
  EXPECT_TRUE(torch::allclose(slerp(a, 3 * a, 0.5), 2 * a));
}

TEST(Strength, IsTheShareOfStepsThatAreMade) {
  const Config config;
  const auto rows = [&](std::int64_t steps, double strength) {
    return std::ssize(picture_plan_for(config, {.steps = steps}, strength).steps);
  };
  EXPECT_EQ(rows(100, 0.29), 29);  // 0.29 * 100 is 28.999999999999996
  EXPECT_EQ(rows(50, 0.6), 30);
  EXPECT_EQ(rows(50, 1), 50);
  EXPECT_EQ(rows(7, 0.5), 3);
  EXPECT_THROW(picture_plan_for(config, {.steps = 50}, 0.01), ConfigError);
  EXPECT_THROW(picture_plan_for(config, {.steps = 50}, 0), ConfigError);
}

TEST(Inpainting, WithJumpsReplacesAVarianceByTheNetwork) {
  Config config;
  config.model.predicts_variance = true;
  config.diffusion.variance = Variance::kLearnedRange;
  const auto variance = [&](std::int64_t times) {
    return inpainting_plan_for(config, {.steps = 30}, 1, {10, times}).switches.variance;
  };
  EXPECT_EQ(variance(1), ops::VarianceChannels::kRange);
  EXPECT_EQ(variance(2), ops::VarianceChannels::kIgnored);
  const SamplerPlan plan = inpainting_plan_for(config, {.steps = 30}, 1, {10, 2});
  EXPECT_EQ(plan.start_image, 0);
  EXPECT_EQ(plan.start_noise, 1);
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
