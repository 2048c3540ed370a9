#include "ddpm/diffusion/inpainting.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/diffusion/generator.h"

namespace ddpm {
namespace {

NoiseSchedule linear() { return NoiseSchedule(DiffusionConfig{}); }

SamplerPlan plan_of(SamplerKind kind, std::int64_t steps) {
  return sampler_plan(kind, linear(), {.steps = steps, .from_picture = true});
}

std::vector<double> times_of(const SamplerPlan& plan) {
  std::vector<double> times;
  for (const ops::SamplerStep& row : plan.steps) times.push_back(row.time);
  return times;
}

// get_schedule_jump(t_T=5, n_sample=2, jump_length=2) of the authors' code visits 4 3 2 3 4 3 2 1 0 1 2 1
// 0 -1; each step down is an evaluation.
TEST(Repaint, GoesDownAndUpAsItsAuthorsDo) {
  DiffusionConfig config;
  config.timesteps = 5;
  const SamplerPlan plan = repaint(
      sampler_plan(SamplerKind::kDdpm, NoiseSchedule(config), {.from_picture = true}), {2, 2});
  EXPECT_EQ(times_of(plan), (std::vector<double>{4, 3, 4, 3, 2, 1, 2, 1, 0}));
}

// The count is that of the authors' schedule: 4570 transitions, 2160 of them upwards.
TEST(Repaint, Evaluates2410TimesAsInThePaper) {
  EXPECT_EQ(repaint(plan_of(SamplerKind::kDdpm, 250), {10, 10}).steps.size(), 2410U);
  EXPECT_EQ(repaint(plan_of(SamplerKind::kDdim, 250), {10, 1}).steps.size(), 250U);
}

// The level of the kept pixels after a jump from t = 500 over four timesteps, and of those after an
// ordinary step to t = 500; alpha_bar in float64 by NumPy.
TEST(Repaint, GivesKeptPixelsTheLevelOfTheNextStep) {
  const SamplerPlan plan = repaint(plan_of(SamplerKind::kDdpm, 1000), {4, 2});
  const ops::SamplerStep *jump = nullptr, *step = nullptr;
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) {
    if (plan.steps[i].time != 501) continue;
    (plan.steps[i + 1].time == 504 ? jump : step) = &plan.steps[i];
  }
  ASSERT_NE(jump, nullptr);
  ASSERT_NE(step, nullptr);
  EXPECT_NEAR(jump->known * jump->known, 0.074698024, 5e-10);
  EXPECT_NEAR(jump->known_noise * jump->known_noise, 1 - 0.074698024, 5e-10);
  EXPECT_NEAR(step->known * step->known, linear().alpha_bar(500), 1e-12);
  EXPECT_EQ(plan.steps.back().known, 1);
  EXPECT_EQ(plan.steps.back().known_noise, 0);
  // The noise of the step and of the way up, one after the other: z1 r^2 + 1 - r^2.
  const double r2 = linear().alpha_bar(504) / linear().alpha_bar(500);
  EXPECT_NEAR(jump->next.z * jump->next.z, r2 * step->next.z * step->next.z + 1 - r2, 1e-12);
  EXPECT_NEAR(jump->next.m0, std::sqrt(r2) * step->next.m0, 1e-12);
}

TEST(Repaint, IsForSamplersWithoutMemory) {
  for (const SamplerKind kind :
       {SamplerKind::kDdpm, SamplerKind::kDdim, SamplerKind::kEuler, SamplerKind::kEulerAncestral})
    EXPECT_NO_THROW(repaint(plan_of(kind, 20), {5, 3}));
  for (const SamplerKind kind :
       {SamplerKind::kHeun, SamplerKind::kDpmSolver2m, SamplerKind::kUnipc, SamplerKind::kPlms})
    EXPECT_THROW(repaint(plan_of(kind, 20), {5, 3}), ConfigError);
  const SamplerPlan learned = sampler_plan(SamplerKind::kDdpm, linear(),
                                           {.steps = 20, .variance = Variance::kLearnedRange});
  EXPECT_THROW(repaint(learned, {5, 3}), ConfigError);
}

// --- With a generator ----------------------------------------------------------------------------------

// Pixels of independent normal numbers with mean 0.3 and deviation 0.5: the exact noise, by the row's time.
Predictor gaussian() {
  return [](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    const double a = linear().alpha_bar(static_cast<std::int64_t>(t[0].item<double>()));
    return std::sqrt(1 - a) * (x - 0.3 * std::sqrt(a)) / (0.25 * a + 1 - a);
  };
}

struct Halves {
  torch::Tensor keep = torch::zeros({1, 1, 8, 8}, torch::kBool);
  torch::Tensor picture = torch::rand({1, 1, 8, 8}) * 2 - 1;

  Halves() { keep.narrow(3, 0, 4).fill_(true); }
  Generator generator(const SamplerPlan& plan, std::int64_t count) const {
    return Generator(plan, gaussian(),
                     {.count = count, .shape = {1, 8, 8}, .known = KnownPixels{picture, keep}});
  }
};

// Where the steps add no noise, kept pixels have that of x_T; so it makes no difference to give it.
TEST(Inpainting, TakesTheNoiseOfKeptPixels) {
  const Halves halves;
  const SamplerPlan plan = keep_known_pixels(plan_of(SamplerKind::kDdim, 10));
  GeneratorOptions options{.count = 2, .shape = {1, 8, 8}};
  options.known = KnownPixels{halves.picture, halves.keep, starting_noise(options, 0)};
  Generator given(plan, gaussian(), options), drawn = halves.generator(plan, 2);
  EXPECT_TRUE(torch::equal(given.make(0), drawn.make(0)));
  options.known->noise = starting_noise(options, 5);
  std::vector<torch::Tensor> noisy;
  Generator other(plan, gaussian(), options);
  static_cast<void>(other.make(0, {}, {}, [&](const StepReport& report) {
    noisy.push_back(report.x.clone());
    return true;
  }));
  const double a = linear().alpha_bar(static_cast<std::int64_t>(plan.steps[1].time));
  const torch::Tensor expected =
      std::sqrt(a) * halves.picture + std::sqrt(1 - a) * options.known->noise;
  EXPECT_TRUE(torch::allclose(noisy[0].narrow(3, 0, 4), expected.narrow(3, 0, 4), 1e-5, 1e-5));
}

TEST(Inpainting, KeepsThePictureAndDrawsTheRest) {
  const Halves halves;
  for (const SamplerKind kind :
       {SamplerKind::kDdpm, SamplerKind::kDdim, SamplerKind::kDpmSolver2m}) {
    Generator generator = halves.generator(keep_known_pixels(plan_of(kind, 20)), 3);
    const torch::Tensor images = generator.make(0);
    for (std::int64_t i = 0; i < 3; ++i)
      EXPECT_TRUE(torch::equal(images[i].narrow(2, 0, 4), halves.picture[0].narrow(2, 0, 4)));
    const torch::Tensor drawn = images.narrow(3, 4, 4);
    EXPECT_GT((drawn - halves.picture.narrow(3, 4, 4)).abs().max().item<double>(), 0.1);
    EXPECT_FALSE(torch::equal(drawn[0], drawn[1]));
  }
}

// New pixels do not depend on kept ones here, so RePaint must draw their distribution. It has no clipping,
// and 40 steps of 1000 give a deviation that is a little too small.
TEST(Inpainting, ByRepaintDrawsTheRightDistribution) {
  const SamplerPlan ddpm = sampler_plan(SamplerKind::kDdpm, linear(),
                                        {.steps = 40, .from_picture = true, .clip_x0 = false});
  SamplerPlan plan = repaint(ddpm, {5, 3});
  plan.start_image = 0;
  plan.start_noise = 1;
  const Halves halves;
  Generator generator = halves.generator(plan, 200);
  std::vector<double> spread;
  const torch::Tensor images = generator.make(0, {}, {}, [&](const StepReport& report) {
    const ops::SamplerStep& row = plan.steps[report.step - 1];
    // The kept pixels of all images: the picture with independent noise.
    const torch::Tensor noise =
        (report.x - row.known * halves.picture).narrow(3, 0, 4) / std::max(row.known_noise, 1e-9);
    if (row.known_noise > 0) spread.push_back(noise.std().item<double>());
    return true;
  });
  for (const double s : spread) EXPECT_NEAR(s, 1, 0.05);
  const torch::Tensor drawn = images.narrow(3, 4, 4);
  EXPECT_NEAR(drawn.mean().item<double>(), 0.3, 0.05);
  EXPECT_NEAR(drawn.std().item<double>(), 0.5, 0.05);
}

// --- Inversion ------------------------------------------------------------------------------------------

// x of the closed-form predictors of the table in float64: eps = x sin(t) / 2, and the Gaussian above.
double inverted(std::int64_t steps, bool gaussian) {
  const SamplerPlan plan =
      ddim_inversion_plan(linear(), {.steps = steps, .spacing = Spacing::kLeading});
  const auto pixel = [](double value) { return torch::full({1, 1, 1, 1}, value, torch::kFloat64); };
  ops::SamplerRegisters registers{.x = pixel(plan.start_image), .p = {}, .z = {}};
  for (const ops::SamplerStep& row : plan.steps) {
    const double x = registers.x.item<double>();
    const double a = linear().alpha_bar(static_cast<std::int64_t>(row.time));
    registers.p = pixel(gaussian ? std::sqrt(1 - a) * (x - 0.3 * std::sqrt(a)) / (0.25 * a + 1 - a)
                                 : 0.5 * x * std::sin(row.time));
    ops::sampler_step(registers, row, plan.switches);
  }
  return registers.x.item<double>();
}

// diffusers' DDIMInverseScheduler in float64 gave these numbers, from x0 = 1.
TEST(Inversion, EqualsDiffusers) {
  EXPECT_NEAR(inverted(10, false), 0.02180028497, 1e-10);
  EXPECT_NEAR(inverted(25, false), 0.007405375389, 1e-11);
  EXPECT_NEAR(inverted(10, true), 1.494025481, 1e-8);
  EXPECT_NEAR(inverted(25, true), 1.462580748, 1e-8);
}

// Whatever is predicted, DDIM brings the noise of an image back to it, the better the more steps.
TEST(Inversion, IsUndoneByDdim) {
  for (const Prediction prediction :
       {Prediction::kNoise, Prediction::kVelocity, Prediction::kImage}) {
    double before = 1;
    for (const std::int64_t steps : {20, 100, 1000}) {
      const SamplerOptions options{.steps = steps, .prediction = prediction, .clip_x0 = false};
      const auto predict = [&](double x, double time) {
        const double a = linear().alpha_bar(static_cast<std::int64_t>(time));
        const double e = std::sqrt(1 - a) * (x - 0.3 * std::sqrt(a)) / (0.25 * a + 1 - a);
        const double x0 = (x - std::sqrt(1 - a) * e) / std::sqrt(a);
        if (prediction == Prediction::kNoise) return e;
        return prediction == Prediction::kImage ? x0 : std::sqrt(a) * e - std::sqrt(1 - a) * x0;
      };
      double x = 0.9;
      for (const SamplerPlan& plan :
           {ddim_inversion_plan(linear(), options), ddim_plan(linear(), options)})
        for (const ops::SamplerStep& row : plan.steps) {
          const double p = predict(x, row.time), x0 = row.from_x * x + row.from_p * p;
          x = row.next.x * x + row.next.p * p + row.next.m0 * x0;
        }
      EXPECT_LT(std::abs(x - 0.9), before) << name_of(prediction) << ' ' << steps;
      before = std::abs(x - 0.9) / 2;
    }
    EXPECT_LT(before, 0.005);
  }
}

}  // namespace
}  // namespace ddpm
