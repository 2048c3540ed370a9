#include "ddpm/diffusion/generator.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <random>

#include "ddpm/device/runtime.h"
#include "ddpm/nn/unet.h"
#include "ddpm/ops/random.h"
#include "ddpm/sampling/setup.h"
#include "ops/sampler_rows.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

using testing::hash_tensor;

// A frozen network whose weights are filled by a hash (support/fill.h).
Predictor frozen_network() {
  set_up_runtime({.device = "cpu", .threads = 1});
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  testing::hash_fill(*net);
  return [net](const torch::Tensor& x, const torch::Tensor& t, const Condition&) mutable {
    torch::NoGradGuard no_grad;
    return net->forward(x, t);
  };
}

SamplerPlan five_steps() {
  return sampler_plan_for(Config{}, {.steps = 5});  // of 1000, so fixed_large becomes fixed_small
}

Predictor predict_constant_noise() {
  return [](const torch::Tensor& x, const torch::Tensor&, const Condition&) {
    return torch::full_like(x, 0.1);
  };
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

// tests/golden/canary.py prints the numbers. If one changes, the images of published seeds change.
TEST(Canary, GivenNoiseBecomesTheKnownImages) {
  GenerateRequest given = request(3, 2);
  given.initial_noise = hash_tensor(1000001, {2, 3, 16, 16}, 3.0).to(torch::kFloat32);
  expect_figures(generate(five_steps(), frozen_network(), given),
                 {0.178598, 0.808705, 0.930471, 0.798529, 1.000000, -0.995652});
}

TEST(Canary, DrawnNoiseBecomesTheKnownImages) {
  expect_figures(generate(five_steps(), frozen_network(), request(3, 2)),
                 {0.176085, 0.808213, 0.979710, 0.807786, 1.000000, -0.996096});
}

TEST(Generate, ImageIDependsOnSeedAndIndexAlone) {
  const Predictor network = frozen_network();
  const SamplerPlan plan = five_steps();
  const torch::Tensor all = generate(plan, network, request(0, 7));
  for (const auto& [first, count] : {std::pair{0, 3}, {3, 4}, {6, 1}, {2, 2}})
    EXPECT_TRUE(
        torch::allclose(generate(plan, network, request(static_cast<std::uint64_t>(first), count)),
                        all.narrow(0, first, count), 0, 1e-4))
        << first << ", " << count;
  EXPECT_FALSE(torch::allclose(all[0], all[1], 0, 0.1));
  GenerateRequest other = request(0, 1);
  other.seed += std::uint64_t{1} << 32;
  EXPECT_FALSE(torch::allclose(generate(plan, network, other)[0], all[0], 0, 0.1));
}

TEST(Generator, MakesBatchAfterBatch) {
  const Predictor network = frozen_network();
  const SamplerPlan plan = five_steps();
  Generator generator(plan, network,
                      {.seed = request(0, 1).seed, .count = 3, .shape = {3, 16, 16}});
  const torch::Tensor one = generator.make(0), two = generator.make(3);
  EXPECT_TRUE(torch::equal(one, generate(plan, network, request(0, 3))));
  EXPECT_TRUE(torch::equal(two, generate(plan, network, request(3, 3))));
  const torch::Tensor noise = torch::full({3, 3, 16, 16}, 0.25f);
  GenerateRequest given = request(6, 3);
  given.initial_noise = noise;
  EXPECT_TRUE(torch::equal(generator.make(6, {}, noise), generate(plan, network, given)));
}

TEST(Generate, IndicesAreWide) {
  const SamplerPlan plan = five_steps();
  const Predictor zero = [](const torch::Tensor& x, const torch::Tensor&, const Condition&) {
    return x * 0;
  };
  const auto image = [&](std::uint64_t i) { return generate(plan, zero, request(i, 1)); };
  EXPECT_FALSE(torch::equal(image(0), image(std::uint64_t{1} << 32)));
  EXPECT_TRUE(
      torch::equal(image(1 + (std::uint64_t{1} << 32)),
                   generate(plan, zero, request(std::uint64_t{1} << 32, 2)).narrow(0, 1, 1)));
}

TEST(Generate, InitialNoiseIsNotChanged) {
  GenerateRequest given = request(0, 1);
  given.initial_noise = torch::full({1, 3, 16, 16}, 0.25f);
  const torch::Tensor before = given.initial_noise.clone();
  generate(five_steps(), frozen_network(), given);
  EXPECT_TRUE(torch::equal(given.initial_noise, before));
}

TEST(Generate, ThePredictorSeesNoiseAndTimes) {
  std::vector<float> times;
  torch::Tensor first_x;
  const Predictor spy = [&](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    EXPECT_EQ(t.sizes(), torch::IntArrayRef({2}));
    EXPECT_EQ(t.scalar_type(), torch::kFloat32);
    EXPECT_EQ(t[0].item<float>(), t[1].item<float>());
    if (times.empty()) first_x = x.clone();
    times.push_back(t[0].item<float>());
    return torch::zeros_like(x);
  };
  GenerateRequest given = request(0, 2);
  given.initial_noise = torch::randn({2, 3, 16, 16});
  generate(five_steps(), spy, given);
  EXPECT_EQ(times, (std::vector<float>{999, 749, 500, 250, 0}));
  EXPECT_TRUE(torch::equal(first_x, given.initial_noise));
}

TEST(Generate, AfterStepCountsAndStops) {
  std::vector<std::pair<std::size_t, double>> seen;
  GenerateRequest stopped = request(0, 1);
  stopped.after_step = [&](const StepReport& report) {
    EXPECT_EQ(report.x.sizes(), torch::IntArrayRef({1, 3, 16, 16}));
    EXPECT_FALSE(report.x0.defined());
    seen.emplace_back(report.step, report.time);
    return report.step < 3;
  };
  EXPECT_FALSE(generate(five_steps(), frozen_network(), stopped).defined());
  EXPECT_EQ(seen, (std::vector<std::pair<std::size_t, double>>{{1, 999}, {2, 749}, {3, 500}}));
  stopped.after_step = [](const StepReport&) { return true; };
  EXPECT_TRUE(generate(five_steps(), frozen_network(), stopped).defined());
}

// --- Variations ----------------------------------------------------------------------------------------

torch::Tensor variations(std::uint64_t first, std::int64_t count, double amount) {
  Generator generator(five_steps(), frozen_network(),
                      {.seed = 20000000011,
                       .count = count,
                       .shape = {3, 16, 16},
                       .variation = Variation{.of = 7, .amount = amount}});
  return generator.make(first);
}

TEST(Variations, LieBetweenAnImageAndNewOnes) {
  const torch::Tensor itself = generate(five_steps(), frozen_network(), request(7, 1));
  const torch::Tensor none = variations(0, 2, 0), some = variations(0, 2, 0.2),
                      all = variations(0, 2, 1);
  for (std::int64_t i = 0; i < 2; ++i) EXPECT_TRUE(torch::allclose(none[i], itself[0], 0, 1e-4));
  const auto distance = [&](const torch::Tensor& images, std::int64_t i) {
    return (images[i] - itself[0]).norm().item<double>();
  };
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_GT(distance(some, i), 0.05 * distance(all, i));
    EXPECT_LT(distance(some, i), 0.7 * distance(all, i));
  }
  EXPECT_FALSE(torch::allclose(some[0], some[1], 0, 0.01));
  // Variation i is the same in any batch.
  EXPECT_TRUE(torch::allclose(variations(1, 1, 0.2)[0], some[1], 0, 1e-4));
}

TEST(Variations, AreRotationsOfTheNoise) {
  const GeneratorOptions of{.seed = 4, .shape = {1, 4, 4}};
  GeneratorOptions varied = of;
  varied.variation = Variation{.of = 5, .amount = 1.0 / 3};
  const torch::Tensor own = starting_noise(of, 5), other = starting_noise(of, (1ULL << 39) + 2);
  // cos(30 degrees) and sin(30 degrees).
  EXPECT_TRUE(torch::allclose(starting_noise(varied, 2), 0.8660254 * own + 0.5 * other, 0, 1e-6));
}

TEST(Generate, ReportsThePredictedImagesIfAsked) {
  Generator generator(sampler_plan_for(Config{}, {.steps = 5}), predict_constant_noise(),
                      {.shape = {1, 4, 4}, .report_x0 = true});
  torch::Tensor x = torch::full({1, 1, 4, 4}, 0.5);
  generator.make(0, {}, x, [&](const StepReport& report) {
    // x0 = (x - sigma e) / signal with e = 0.1, clipped.
    const double a =
        NoiseSchedule(DiffusionConfig{}).alpha_bar(static_cast<std::int64_t>(report.time));
    const torch::Tensor x0 = ((x - std::sqrt(1 - a) * 0.1) / std::sqrt(a)).clamp(-1, 1);
    EXPECT_TRUE(torch::allclose(report.x0, x0, 1e-4, 1e-5)) << report.step;
    x = report.x.clone();
    return true;
  });
}

// The exact predictor if all pixels of all images are m: x0 = m.
Predictor predict_constant(double m) {
  return [m](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    const double bar = NoiseSchedule(DiffusionConfig{}).alpha_bar(t[0].item<std::int64_t>());
    return (x - std::sqrt(bar) * m) / std::sqrt(1 - bar);
  };
}

TEST(Generate, AnExactPredictorGivesExactlyItsImage) {
  for (const std::int64_t steps : {1, 2, 5, 50}) {
    const SamplerPlan plan = sampler_plan_for(Config{}, {.steps = steps});
    const torch::Tensor image = generate(plan, predict_constant(0.4), request(0, 1));
    EXPECT_NEAR(image.mean().item<double>(), 0.4, 1e-4) << steps;
    EXPECT_LT(image.std().item<double>(), 1e-3) << steps;
  }
}

// Samples with the exact predictor for independent pixels from N(0, s^2). Returns the largest
// deviation after the last two steps. With few steps fixed_large leaves far too much noise (Song et
// al., "DDIM", table 1).
double deviation(SamplingVariance variance) {
  constexpr double s2 = 0.0625;
  const Predictor exact = [](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    const double bar = NoiseSchedule(DiffusionConfig{}).alpha_bar(t[0].item<std::int64_t>());
    return std::sqrt(1 - bar) * x / (s2 * bar + 1 - bar);
  };
  const SamplerPlan plan = sampler_plan_for(Config{}, {.steps = 10, .variance = variance});
  double largest = 0;
  GenerateRequest watched = request(0, 8);
  watched.after_step = [&](const StepReport& report) {
    if (report.step >= 8) largest = std::max(largest, report.x.std().item<double>());
    return true;
  };
  generate(plan, exact, watched);
  return largest;
}

TEST(Generate, FewStepsUseTheSmallVariance) {
  EXPECT_EQ(deviation(SamplingVariance::kAuto), deviation(SamplingVariance::kFixedSmall));
  EXPECT_LT(deviation(SamplingVariance::kAuto), deviation(SamplingVariance::kFixedLarge));
}

// Tests of rows that use more than today's samplers do.

SamplerPlan random_plan(std::size_t rows, const testing::Registers& there) {
  std::mt19937 engine(4);
  SamplerPlan plan;
  for (std::size_t i = 0; i < rows; ++i) {
    ops::SamplerStep row = testing::without_missing(testing::random_row(engine), there);
    row.time = 10.25 * static_cast<double>(rows - i);
    plan.steps.push_back(row);
  }
  // Before the first rows there are no images to remember.
  plan.steps[0].next.m1 = plan.steps[0].kept.m1 = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows, 2); ++i)
    plan.steps[i].next.m2 = plan.steps[i].kept.m2 = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows, 3); ++i)
    plan.steps[i].next.m3 = plan.steps[i].kept.m3 = 0;
  plan.steps[0].next.s = plan.steps[0].kept.s = 0;
  return plan;
}

// A network that depends on the image and on the time.
torch::Tensor predict_sine(const torch::Tensor& x, const torch::Tensor& t, const Condition& = {}) {
  return (x + 0.1 * t.view({-1, 1, 1, 1})).sin();
}

torch::Tensor noise_of(RandomStream stream, std::uint64_t step, const GenerateRequest& r) {
  const RandomKey key{.seed = r.seed, .stream = stream, .step = step, .sample = r.first};
  return ops::random_normal(key, r.count, {r.shape.channels, r.shape.height, r.shape.width},
                            r.device);
}

TEST(Generator, RemembersAndScalesAsThePlanSays) {
  for (const bool second : {false, true})
    for (const std::size_t history : {0, 1, 2, 3}) {
      const SamplerPlan plan = random_plan(6, {second, history});
      EXPECT_EQ(needs_of(plan).history, history);
      const GenerateRequest r = request(5, 2);
      // Computes the same in float64, step by step.
      ops::SamplerRegisters registers{
          .x = noise_of(RandomStream::kInitialNoise, 0, r).to(torch::kFloat64)};
      const auto zeros = [&] { return torch::zeros_like(registers.x); };
      registers.s = zeros();
      registers.m = {zeros(), zeros(), zeros()};
      for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const ops::SamplerStep& row = plan.steps[i];
        registers.p = predict_sine(registers.x * row.input_scale,
                                   torch::full({2}, row.time, torch::kFloat64));
        registers.z = noise_of(RandomStream::kEvaluationNoise, i, r).to(torch::kFloat64);
        ops::sampler_step(registers, row, {});
      }
      Generator generator(plan, predict_sine, {.seed = r.seed, .count = 2, .shape = r.shape});
      static_cast<void>(generator.make(0));  // leaves remembered images that must not matter
      const torch::Tensor images = generator.make(r.first).to(torch::kFloat64);
      EXPECT_TRUE(torch::allclose(images, registers.x, 1e-4, 1e-4)) << second << history;
    }
}

TEST(NoiseStream, IsOfTimestepsWhereEachIsVisitedOnce) {
  EXPECT_EQ(noise_stream(five_steps()), RandomStream::kStepNoise);
  EXPECT_EQ(noise_stream(sampler_plan_for(Config{}, {})), RandomStream::kStepNoise);
  SamplerPlan plan = five_steps();
  plan.steps[3].time = plan.steps[2].time;
  EXPECT_EQ(noise_stream(plan), RandomStream::kEvaluationNoise);
  plan.steps[3].time = 250.5;
  EXPECT_EQ(noise_stream(plan), RandomStream::kEvaluationNoise);
}

// The network predicts zero, and the plan ends with the noise of its last step.
TEST(Generator, DrawsTheNoiseOfTimestepsOrOfEvaluations) {
  const auto last_noise = [](double first_time, double last_time) {
    SamplerPlan plan{
        .steps = {{.time = first_time, .next = {.z = 1}}, {.time = last_time, .next = {.z = 1}}}};
    return generate(
        plan,
        [](const torch::Tensor& x, const torch::Tensor&, const Condition&) {
          return torch::zeros_like(x);
        },
        request(3, 2));
  };
  const GenerateRequest r = request(3, 2);
  EXPECT_TRUE(torch::equal(last_noise(700, 9), noise_of(RandomStream::kStepNoise, 9, r)));
  EXPECT_TRUE(torch::equal(last_noise(9, 9), noise_of(RandomStream::kEvaluationNoise, 1, r)));
}

}  // namespace
}  // namespace ddpm
