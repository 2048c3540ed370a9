#include "ddpm/diffusion/generate.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/device/runtime.h"
#include "ddpm/nn/unet.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

using testing::hash_tensor;

// A frozen network with hash-filled weights.
Predictor frozen_network() {
  set_up_runtime({.device = "cpu", .threads = 1});
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  testing::hash_fill(*net);
  return [net](const torch::Tensor& x, const torch::Tensor& t) mutable {
    torch::NoGradGuard no_grad;
    return net->forward(x, t);
  };
}

std::unique_ptr<Sampler> five_steps() {
  return make_sampler_for(Config{}, {.steps = 5});  // of 1000; fixed_large becomes fixed_small
}

GenerateRequest request(std::uint64_t first, std::int64_t count) {
  return {.seed = 20000000011, .first = first, .count = count, .shape = {3, 16, 16}};
}

struct Figures {
  double mean, mean_abs, at_0, at_100, at_800, at_1535;
};

void expect_figures(const torch::Tensor& images, const Figures& expected) {
  ASSERT_EQ(images.sizes(), torch::IntArrayRef({2, 3, 16, 16}));
  ASSERT_EQ(images.scalar_type(), torch::kFloat32);
  const torch::Tensor flat = images.contiguous().flatten();
  const auto at = [&](std::int64_t i) { return flat[i].item<double>(); };
  EXPECT_NEAR(flat.mean().item<double>(), expected.mean, 1e-4);
  EXPECT_NEAR(flat.abs().mean().item<double>(), expected.mean_abs, 1e-4);
  EXPECT_NEAR(at(0), expected.at_0, 5e-4);
  EXPECT_NEAR(at(100), expected.at_100, 5e-4);
  EXPECT_NEAR(at(800), expected.at_800, 5e-4);
  EXPECT_NEAR(at(1535), expected.at_1535, 5e-4);
}

// Printed by tests/golden/canary.py. If one of these moves, images of published seeds change.
TEST(Canary, GivenNoiseBecomesTheKnownImages) {
  GenerateRequest given = request(3, 2);
  given.initial_noise = hash_tensor(1000001, {2, 3, 16, 16}, 3.0).to(torch::kFloat32);
  expect_figures(generate(*five_steps(), frozen_network(), given),
                 {0.178598, 0.808705, 0.930471, 0.798529, 1.000000, -0.995652});
}

TEST(Canary, DrawnNoiseBecomesTheKnownImages) {
  expect_figures(generate(*five_steps(), frozen_network(), request(3, 2)),
                 {0.176085, 0.808213, 0.979710, 0.807786, 1.000000, -0.996096});
}

TEST(Generate, ImageIDependsOnSeedAndIndexAlone) {
  const Predictor network = frozen_network();
  const auto sampler = five_steps();
  const torch::Tensor all = generate(*sampler, network, request(0, 7));
  for (const auto& [first, count] : {std::pair{0, 3}, {3, 4}, {6, 1}, {2, 2}})
    EXPECT_TRUE(torch::allclose(
        generate(*sampler, network, request(static_cast<std::uint64_t>(first), count)),
        all.narrow(0, first, count), 0, 1e-4))
        << first << ", " << count;
  EXPECT_FALSE(torch::allclose(all[0], all[1], 0, 0.1));
  GenerateRequest other = request(0, 1);
  other.seed += std::uint64_t{1} << 32;
  EXPECT_FALSE(torch::allclose(generate(*sampler, network, other)[0], all[0], 0, 0.1));
}

TEST(Generator, MakesBatchAfterBatch) {
  const Predictor network = frozen_network();
  const auto sampler = five_steps();
  Generator generator(*sampler, network,
                      {.seed = request(0, 1).seed, .count = 3, .shape = {3, 16, 16}});
  const torch::Tensor one = generator.make(0), two = generator.make(3);
  EXPECT_TRUE(torch::equal(one, generate(*sampler, network, request(0, 3))));
  EXPECT_TRUE(torch::equal(two, generate(*sampler, network, request(3, 3))));
  const torch::Tensor noise = torch::full({3, 3, 16, 16}, 0.25f);
  GenerateRequest given = request(6, 3);
  given.initial_noise = noise;
  EXPECT_TRUE(torch::equal(generator.make(6, noise), generate(*sampler, network, given)));
}

TEST(Generate, IndicesAreWide) {
  const auto sampler = five_steps();
  const Predictor zero = [](const torch::Tensor& x, const torch::Tensor&) { return x * 0; };
  const auto image = [&](std::uint64_t i) { return generate(*sampler, zero, request(i, 1)); };
  EXPECT_FALSE(torch::equal(image(0), image(std::uint64_t{1} << 32)));
  EXPECT_TRUE(
      torch::equal(image(1 + (std::uint64_t{1} << 32)),
                   generate(*sampler, zero, request(std::uint64_t{1} << 32, 2)).narrow(0, 1, 1)));
}

TEST(Generate, InitialNoiseIsNotChanged) {
  GenerateRequest given = request(0, 1);
  given.initial_noise = torch::full({1, 3, 16, 16}, 0.25f);
  const torch::Tensor before = given.initial_noise.clone();
  generate(*five_steps(), frozen_network(), given);
  EXPECT_TRUE(torch::equal(given.initial_noise, before));
}

TEST(Generate, ThePredictorSeesNoiseAndTimes) {
  std::vector<std::int64_t> times;
  torch::Tensor first_x;
  const Predictor spy = [&](const torch::Tensor& x, const torch::Tensor& t) {
    EXPECT_EQ(t.sizes(), torch::IntArrayRef({2}));
    EXPECT_EQ(t.scalar_type(), torch::kInt64);
    EXPECT_EQ(t[0].item<std::int64_t>(), t[1].item<std::int64_t>());
    if (times.empty()) first_x = x.clone();
    times.push_back(t[0].item<std::int64_t>());
    return torch::zeros_like(x);
  };
  GenerateRequest given = request(0, 2);
  given.initial_noise = torch::randn({2, 3, 16, 16});
  generate(*five_steps(), spy, given);
  EXPECT_EQ(times, (std::vector<std::int64_t>{999, 749, 500, 250, 0}));
  EXPECT_TRUE(torch::equal(first_x, given.initial_noise));
}

TEST(Generate, AfterStepCountsAndStops) {
  std::vector<std::pair<std::size_t, std::int64_t>> seen;
  GenerateRequest stopped = request(0, 1);
  stopped.after_step = [&](std::size_t step, std::int64_t t, const torch::Tensor& x) {
    EXPECT_EQ(x.sizes(), torch::IntArrayRef({1, 3, 16, 16}));
    seen.emplace_back(step, t);
    return step < 3;
  };
  EXPECT_FALSE(generate(*five_steps(), frozen_network(), stopped).defined());
  EXPECT_EQ(seen,
            (std::vector<std::pair<std::size_t, std::int64_t>>{{1, 999}, {2, 749}, {3, 500}}));
  stopped.after_step = [](std::size_t, std::int64_t, const torch::Tensor&) { return true; };
  EXPECT_TRUE(generate(*five_steps(), frozen_network(), stopped).defined());
}

// The exact predictor for images that are all one grey: x0 = m.
Predictor predict_constant(double m) {
  return [m](const torch::Tensor& x, const torch::Tensor& t) {
    const double bar = NoiseSchedule(DiffusionConfig{}).alpha_bar(t[0].item<std::int64_t>());
    return (x - std::sqrt(bar) * m) / std::sqrt(1 - bar);
  };
}

TEST(Generate, AnExactPredictorGivesExactlyItsImage) {
  for (const std::int64_t steps : {1, 2, 5, 50}) {
    const auto sampler = make_sampler_for(Config{}, {.steps = steps});
    const torch::Tensor image = generate(*sampler, predict_constant(0.4), request(0, 1));
    EXPECT_NEAR(image.mean().item<double>(), 0.4, 1e-4) << steps;
    EXPECT_LT(image.std().item<double>(), 1e-3) << steps;
  }
}

// The exact predictor for independent pixels from N(0, s^2) keeps the variance; with fixed_large
// few steps end far too noisy (Song et al., "DDIM", table 1).
double deviation(SamplingVariance variance) {
  constexpr double s2 = 0.0625;
  const Predictor exact = [](const torch::Tensor& x, const torch::Tensor& t) {
    const double bar = NoiseSchedule(DiffusionConfig{}).alpha_bar(t[0].item<std::int64_t>());
    return std::sqrt(1 - bar) * x / (s2 * bar + 1 - bar);
  };
  const auto sampler = make_sampler_for(Config{}, {.steps = 10, .variance = variance});
  double largest = 0;
  GenerateRequest watched = request(0, 8);
  watched.after_step = [&](std::size_t step, std::int64_t, const torch::Tensor& x) {
    if (step >= 8) largest = std::max(largest, x.std().item<double>());
    return true;
  };
  generate(*sampler, exact, watched);
  return largest;
}

TEST(Generate, FewStepsUseTheSmallVariance) {
  EXPECT_EQ(deviation(SamplingVariance::kAuto), deviation(SamplingVariance::kFixedSmall));
  EXPECT_LT(deviation(SamplingVariance::kAuto), deviation(SamplingVariance::kFixedLarge));
}

TEST(MakeSamplerFor, ClipsToTheRangeOfTheData) {
  Config config;
  config.data.range = PixelRange::kUnit;
  EXPECT_EQ(make_sampler_for(config, {})->coefficients(0).minimum, 0);
  EXPECT_EQ(make_sampler_for(Config{}, {})->coefficients(0).minimum, -1);
  config.diffusion.clip_x0 = false;
  EXPECT_FALSE(make_sampler_for(config, {})->coefficients(0).clip);
}

TEST(MakeSamplerFor, TakesEverythingThatSamplingSays) {
  Config config;
  config.diffusion.prediction_type = Prediction::kVelocity;
  const auto sampler = make_sampler_for(config, {.sampler = SamplerKind::kDdim,
                                                 .steps = 10,
                                                 .spacing = Spacing::kLeading,
                                                 .steps_offset = 1,
                                                 .eta = 0.5,
                                                 .use_clipped_model_output = false,
                                                 .set_alpha_to_one = false});
  EXPECT_EQ(sampler->grid().front(), 901);
  EXPECT_EQ(sampler->grid().back(), 1);
  EXPECT_TRUE(sampler->adds_noise());
  EXPECT_TRUE(sampler->coefficients(0).keeps_noise);
  EXPECT_EQ(sampler->coefficients(0).prediction, Prediction::kVelocity);
  EXPECT_GT(sampler->coefficients(9).noise_coefficient, 0) << "the noise of t = 0 is left";
  EXPECT_FALSE(make_sampler_for(config, {.sampler = SamplerKind::kDdim})->adds_noise());
}

TEST(MakeSamplerFor, RefusesImpossibleSteps) {
  EXPECT_THROW(make_sampler_for(Config{}, {.steps = 1001}), ConfigError);
  EXPECT_THROW(make_sampler_for(Config{}, {.spacing = Spacing::kLeading, .steps_offset = 1}),
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
  config.model.class_embedding = ClassEmbeddingKind::kTimestep;  // any label will do, but which?
  EXPECT_EQ(class_labels(config, 3, 0, 2, torch::kCPU).numel(), 2);
  config.sampling.class_label = -1;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
  config.model.class_embedding = ClassEmbeddingKind::kIdentity;
  EXPECT_THROW(class_labels(config, 3, 0, 2, torch::kCPU), ConfigError);
}

}  // namespace
}  // namespace ddpm
