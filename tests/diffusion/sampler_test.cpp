#include "ddpm/diffusion/sampler.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "ddpm/base/error.h"
#include "ddpm/config/samplers.h"
#include "ddpm/diffusion/denoise_model.h"

namespace ddpm {
namespace {

const NoiseSchedule& linear() {
  static const NoiseSchedule schedule{DiffusionConfig{}};
  return schedule;
}

// Two closed-form predictors: A has a sine of the time; G is exact for data from N(0.3, 0.5^2).
torch::Tensor predict_a(const torch::Tensor& x, const torch::Tensor& t, const Condition& = {}) {
  return 0.5 * x * t.to(torch::kFloat64).sin().view({-1, 1, 1, 1});
}
torch::Tensor predict_g(const torch::Tensor& x, const torch::Tensor& t, const Condition& = {}) {
  const double a = linear().alpha_bar(t[0].item<std::int64_t>());
  return std::sqrt(1 - a) * (x - 0.3 * std::sqrt(a)) / (0.25 * a + 1 - a);
}

// Takes step k of a plan from x, with the noise z.
torch::Tensor step(const SamplerPlan& plan, std::size_t k, const Predictor& predictor,
                   const torch::Tensor& x, double z) {
  const ops::SamplerStep& row = plan.steps.at(k);
  ops::SamplerRegisters registers{
      .x = x,
      .p = predictor(x, torch::full({x.size(0)}, row.time, torch::kFloat64), {}),
      .z = torch::full_like(x, z)};
  ops::sampler_step(registers, row, plan.switches);
  return registers.x;
}

// Samples from x = 1 with the noise cos(k) in step k = 0, 1, ...
double run(const Predictor& predictor, const SamplerOptions& options,
           SamplerKind kind = SamplerKind::kDdpm) {
  const SamplerPlan plan = sampler_plan(kind, linear(), options);
  const auto pixel = [](double value) { return torch::full({1, 1, 1, 1}, value, torch::kFloat64); };
  ops::SamplerRegisters registers{
      .x = pixel(1), .s = pixel(0), .m = {pixel(0), pixel(0), pixel(0)}};
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const ops::SamplerStep& row = plan.steps[k];
    registers.p =
        predictor(row.input_scale * registers.x, torch::full({1}, row.time, torch::kFloat64), {});
    registers.z = pixel(std::cos(static_cast<double>(k)));
    ops::sampler_step(registers, row, plan.switches);
  }
  return registers.x.item<double>();
}

void expect_row(SamplerOptions options, double a10, double g10, double a25, double g25,
                SamplerKind kind = SamplerKind::kDdpm) {
  const auto near = [](double actual, double expected) { EXPECT_NEAR(actual / expected, 1, 2e-9); };
  options.steps = 10;
  near(run(predict_a, options, kind), a10);
  near(run(predict_g, options, kind), g10);
  options.steps = 25;
  near(run(predict_a, options, kind), a25);
  near(run(predict_g, options, kind), g25);
}

// The numbers in calls of expect_row are from diffusers' and OpenAI's schedulers in float64.
TEST(DdpmSampler, FixedSmallWithoutClippingOnLeadingTimes) {
  expect_row({.spacing = Spacing::kLeading, .variance = Variance::kFixedSmall, .clip_x0 = false},
             68.59697211, 0.5639413714, 134.3164312, 0.2850208518);
}
TEST(DdpmSampler, FixedSmallOnLeadingTimes) {
  expect_row({.spacing = Spacing::kLeading, .variance = Variance::kFixedSmall}, -0.3972944245,
             0.5639413714, 0.1090065931, 0.2850208518);
}
TEST(DdpmSampler, FixedLargeOnLeadingTimes) {
  expect_row({.spacing = Spacing::kLeading}, -0.001678741068, 0.7035988122, -0.03739644702,
             0.1299184895);
}
TEST(DdpmSampler, FixedLargeOnTrailingTimesAddsNoNoiseInTheLastStep) {
  expect_row({.spacing = Spacing::kTrailing}, 0.5748013347, 0.5463062479, -0.1353474673,
             0.05441470949);
}
TEST(DdpmSampler, FixedLargeOnOpenAisTimes) {
  expect_row({.spacing = Spacing::kLinspace}, 0.2531475052, 0.7068142604, -0.1243572338,
             0.1198876922);
}

TEST(DdpmSampler, LearnedRangeBetweenTheBounds) {
  const auto with_variance = [](const Predictor& predictor) {
    return [predictor](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
      return torch::cat({predictor(x, t, {}), torch::full_like(x, 0.2)}, 1);
    };
  };
  for (const std::int64_t steps : {10, 25}) {
    const SamplerOptions options{
        .steps = steps, .spacing = Spacing::kLeading, .variance = Variance::kLearnedRange};
    const bool ten = steps == 10;
    EXPECT_NEAR(run(with_variance(predict_a), options), ten ? -0.1656210594 : 0.04996430059, 1e-9);
    EXPECT_NEAR(run(with_variance(predict_g), options), ten ? 0.6536891953 : 0.220988555, 1e-9);
  }
}
TEST(DdpmSampler, LearnedIsTheVarianceItself) {
  const SamplerPlan plan =
      sampler_plan(SamplerKind::kDdpm, linear(), {.variance = Variance::kLearned});
  const Predictor network = [](const torch::Tensor& x, const torch::Tensor&, const Condition&) {
    return torch::cat({torch::zeros_like(x), torch::full_like(x, 0.25)}, 1);
  };
  const torch::Tensor x = torch::zeros({1, 1, 1, 1}, torch::kFloat64);
  EXPECT_NEAR(step(plan, 500, network, x, 2).item<double>(), 1, 1e-12);
  EXPECT_EQ(step(plan, 999, network, x, 2).item<double>(), 0) << "the last step adds no noise";
}
TEST(DdimSampler, LeavesPredictedVariancesAlone) {
  const Predictor network = [](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    return torch::cat({predict_a(x, t), torch::full_like(x, 0.2)}, 1);
  };
  const SamplerOptions options{.steps = 10, .variance = Variance::kLearnedRange};
  EXPECT_EQ(run(network, options, SamplerKind::kDdim), run(predict_a, options, SamplerKind::kDdim));
}

TEST(DdpmSampler, ClipsToTheRangeOfTheData) {
  const SamplerPlan plan = sampler_plan(SamplerKind::kDdpm, linear(), {.minimum = 0, .maximum = 1});
  const Predictor wild = [](const torch::Tensor& x, const torch::Tensor&, const Condition&) {
    return x * 1000;
  };
  const torch::Tensor x = torch::tensor({-3.0, 3.0}, torch::kFloat64).view({2, 1, 1, 1});
  const torch::Tensor last = step(plan, 999, wild, x, 1);
  EXPECT_NEAR(last.flatten()[0].item<double>(), 1, 1e-12);
  EXPECT_NEAR(last.flatten()[1].item<double>(), 0, 1e-12);
}

TEST(Samplers, ThresholdInsteadOfClipping) {
  for (const SamplerKind kind : kChoices<SamplerKind>)
    for (const bool clip : {true, false}) {
      const SamplerPlan plan =
          sampler_plan(kind, linear(), {.clip_x0 = clip, .threshold = 0.9, .threshold_max = 10});
      EXPECT_EQ(plan.switches.threshold, 0.9);
      EXPECT_EQ(plan.switches.threshold_max, 10);
      EXPECT_TRUE(std::isinf(plan.steps[0].maximum));
      EXPECT_TRUE(std::isinf(plan.steps[0].minimum));
    }
}

// The first x is pure noise, so v is minus the image and determines it.
TEST(Samplers, BeginWhereNothingOfTheImageIsLeft) {
  DiffusionConfig config;
  config.zero_terminal_snr = true;
  const NoiseSchedule schedule(config);
  for (const SamplerKind kind : {SamplerKind::kDdpm, SamplerKind::kDdim})
    for (const auto prediction : {Prediction::kVelocity, Prediction::kImage}) {
      const double said = prediction == Prediction::kImage ? 0.5 : -0.5;
      const SamplerPlan plan = sampler_plan(kind, schedule, {.steps = 1, .prediction = prediction});
      const torch::Tensor x = step(
          plan, 0,
          [&](const torch::Tensor& y, const torch::Tensor&, const Condition&) {
            return torch::full_like(y, said);
          },
          torch::full({1, 1, 1, 1}, 2.0, torch::kFloat64), 1);
      EXPECT_NEAR(x.item<double>(), 0.5, 1e-12) << name_of(kind);
    }
}

TEST(DdimSampler, LeadingTimesWithoutClipping) {
  expect_row({.spacing = Spacing::kLeading, .clip_x0 = false}, 50.72459372, 0.6722833913,
             107.3532026, 0.7450930285, SamplerKind::kDdim);
}
TEST(DdimSampler, EndsAtTheFirstTimestepIfAsked) {
  expect_row({.spacing = Spacing::kLeading, .set_alpha_to_one = false, .clip_x0 = false},
             50.72205742, 0.6723986971, 107.3478348, 0.745233819, SamplerKind::kDdim);
}
TEST(DdimSampler, TrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 83.99774908, 0.6692497325,
             146.5902059, 0.7435501831, SamplerKind::kDdim);
}
TEST(DdimSampler, StepsToTheNextTimeOfTheGrid) {
  expect_row({.spacing = Spacing::kLinspace, .clip_x0 = false}, 133.8947653, 0.6609225466,
             136.0258996, 0.7434099306, SamplerKind::kDdim);
}
TEST(DdimSampler, KeepsThePredictedNoiseBesideTheClippedImage) {
  expect_row({.spacing = Spacing::kLeading, .use_clipped_model_output = false}, 0.9726008127,
             0.6722833913, -0.3464411695, 0.7450930285, SamplerKind::kDdim);
}
TEST(DdimSampler, TakesTheNoiseFromTheClippedImage) {
  expect_row({.spacing = Spacing::kLeading, .eta = 0.5}, 1, 0.6255022487, 0.9403046969,
             0.4762871034, SamplerKind::kDdim);
}
TEST(DdimSampler, FullNoiseIsAncestralSamplingWithTheSmallVariance) {
  expect_row({.spacing = Spacing::kLeading, .eta = 1, .clip_x0 = false}, 68.59697211, 0.5639413714,
             134.3164312, 0.2850208518, SamplerKind::kDdim);
}

// The other samplers, from diffusers' and k-diffusion's in float64.
TEST(Solvers, EulerOnTrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 83.99605406, 0.669242267,
             146.5872478, 0.7435412155, SamplerKind::kEuler);
}
TEST(Solvers, EulerOnLeadingTimesIsDdim) {
  expect_row({.spacing = Spacing::kLeading, .clip_x0 = false}, 50.72459372, 0.6722833913,
             107.3532026, 0.7450930285, SamplerKind::kEuler);
}
TEST(Solvers, AncestralEulerOnTrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 66.50575551, 0.502338618,
             185.1735521, 0.1686078559, SamplerKind::kEulerAncestral);
}
TEST(Solvers, StochasticDpmSolver3mOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 37.82516483, 0.595103123, 124.964968, -0.09906496476,
             SamplerKind::kDpmSolver3mSde);
}
TEST(Solvers, HeunOnTrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 54.79158312, 0.7344246834,
             141.1997147, 0.7856018472, SamplerKind::kHeun);
}
TEST(Solvers, IpndmOnLeadingTimes) {
  expect_row({.spacing = Spacing::kLeading, .clip_x0 = false}, 61.24489157, 0.7919796607,
             81.21261579, 0.8003796754, SamplerKind::kIpndm);
}
TEST(Solvers, IpndmOnTrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 79.74396751, 0.7873624695,
             124.0895959, 0.7985124435, SamplerKind::kIpndm);
}
TEST(Solvers, PlmsOnLeadingTimes) {
  expect_row({.spacing = Spacing::kLeading, .clip_x0 = false}, 55.55421208, 0.7881812879,
             69.49439248, 0.7990444226, SamplerKind::kPlms);
}
TEST(Solvers, DeisOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 110.2579741, 0.7002655563, 129.0450445, 0.8136455499,
             SamplerKind::kDeis);
}
TEST(Solvers, DpmSolver2mOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 103.2612698, 0.7026964358, 147.9907052, 0.7868982783,
             SamplerKind::kDpmSolver2m);
}
TEST(Solvers, DpmSolver2mOnTrailingTimes) {
  expect_row({.spacing = Spacing::kTrailing, .clip_x0 = false}, 69.33784805, 0.7039928459,
             143.2613058, 0.7880751368, SamplerKind::kDpmSolver2m);
}
TEST(Solvers, DpmSolver3mOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 116.3418662, 0.7070527518, 147.1812018, 0.7846301308,
             SamplerKind::kDpmSolver3m);
}
TEST(Solvers, StochasticDpmSolver2mOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 60.07142483, 0.5754057777, 177.0214367, 0.07638766613,
             SamplerKind::kDpmSolver2mSde);
}
TEST(Solvers, UnipcOnLinspaceTimes) {
  expect_row({.clip_x0 = false}, 108.7176672, 0.7073924439, 144.6370331, 0.7871907792,
             SamplerKind::kUnipc);
}

TEST(Solvers, VisitEveryTimestepOnceInAsManySteps) {
  for (const SamplerKind kind :
       {SamplerKind::kDpmSolver2m, SamplerKind::kUnipc, SamplerKind::kDeis})
    for (const Spacing spacing : kChoices<Spacing>) {
      const SamplerPlan plan = sampler_plan(kind, linear(), {.spacing = spacing});
      for (std::size_t i = 0; i < 1000; ++i)
        ASSERT_EQ(plan.steps.at(i).time, 999.0 - static_cast<double>(i)) << name_of(kind);
    }
}

TEST(Solvers, RefuseWhatTheyCannotDo) {
  for (const SamplerKind kind : {SamplerKind::kDdpm, SamplerKind::kDdim, SamplerKind::kIpndm,
                                 SamplerKind::kPlms, SamplerKind::kLcm})
    EXPECT_THROW(sampler_plan(kind, linear(), {.steps = 9, .sigmas = SigmaSpacing::kKarras}),
                 ConfigError);
  for (const SamplerKind kind : kChoices<SamplerKind>)
    for (const std::int64_t steps : {-1, 1001})
      EXPECT_THROW(sampler_plan(kind, linear(), {.steps = steps}), ConfigError) << name_of(kind);
}

// Predictions of noise, velocity and image that mean the same give the same images.
TEST(Samplers, PredictionsOfNoiseVelocityAndImageAgree) {
  const auto terms = [](const torch::Tensor& t) {
    const double bar = linear().alpha_bar(t[0].item<std::int64_t>());
    return std::pair(std::sqrt(bar), std::sqrt(1 - bar));
  };
  const Predictor image = [&](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    const auto [signal, sigma] = terms(t);
    return (x - sigma * predict_a(x, t)) / signal;
  };
  const Predictor velocity = [&](const torch::Tensor& x, const torch::Tensor& t, const Condition&) {
    const auto [signal, sigma] = terms(t);
    return signal * predict_a(x, t) - sigma * image(x, t, {});
  };
  for (const SamplerKind kind : kChoices<SamplerKind>)
    for (const bool from_clipped : {true, false}) {
      if (facts_of(kind).evaluations == 2 && kind != SamplerKind::kHeun)
        continue;  // evaluates between timesteps
      SamplerOptions options{.steps = 10,
                             .spacing = Spacing::kLeading,
                             .eta = 0.3,
                             .use_clipped_model_output = from_clipped};
      const double expected = run(predict_a, options, kind);
      options.prediction = Prediction::kVelocity;
      EXPECT_NEAR(run(velocity, options, kind), expected, 1e-9) << name_of(kind);
      options.prediction = Prediction::kImage;
      EXPECT_NEAR(run(image, options, kind), expected, 1e-9) << name_of(kind);
    }
}

std::size_t evaluations(SamplerKind kind, std::int64_t steps) {
  const auto count = static_cast<std::size_t>(steps);
  if (facts_of(kind).evaluations == 2) return 2 * count - 1;
  return kind == SamplerKind::kPlms && count > 1 ? count + 1 : count;
}

// The plan must be finite for every schedule and grid: one bad number would spoil every image.
TEST(SamplerPlan, IsFinite) {
  const auto is_finite = [](double number) { return std::isfinite(number); };
  for (const BetaSchedule schedule : kChoices<BetaSchedule>)
    for (const bool zero_terminal_snr : {false, true})
      for (const Spacing spacing : kChoices<Spacing>)
        for (const std::int64_t steps : {1, 2, 5, 61, 1000}) {
          DiffusionConfig config;
          config.schedule = schedule;
          config.zero_terminal_snr = zero_terminal_snr;
          const NoiseSchedule noise(config);
          for (const SamplerKind kind : kChoices<SamplerKind>)
            for (const bool from_clipped : {true, false})
              for (const Prediction prediction : kChoices<Prediction>) {
                if (zero_terminal_snr && prediction == Prediction::kNoise) continue;
                if (!from_clipped && kind != SamplerKind::kDdim) continue;  // as if it were true
                const SamplerPlan plan = sampler_plan(kind, noise,
                                                      {.steps = steps,
                                                       .spacing = spacing,
                                                       .prediction = prediction,
                                                       .eta = 1,
                                                       .use_clipped_model_output = from_clipped});
                ASSERT_EQ(plan.steps.size(), evaluations(kind, steps)) << name_of(kind);
                for (const ops::SamplerStep& row : plan.steps)
                  ASSERT_TRUE(std::ranges::all_of(ops::sampler_row(row), is_finite))
                      << name_of(kind) << " at t = " << row.time;
              }
        }
}

TEST(SamplerNeeds, AreWhatAnyRowUses) {
  const SamplerNeeds plain = needs_of(sampler_plan(SamplerKind::kDdim, linear(), {.steps = 5}));
  EXPECT_FALSE(plain.noise || plain.second_image || plain.scaled_input);
  EXPECT_EQ(plain.history, 0);
  EXPECT_TRUE(needs_of(sampler_plan(SamplerKind::kDdim, linear(), {.steps = 5, .eta = 0.1})).noise);
  EXPECT_TRUE(needs_of(sampler_plan(SamplerKind::kDdpm, linear(), {.steps = 5})).noise);
  EXPECT_FALSE(needs_of(sampler_plan(SamplerKind::kDdpm, linear(), {.steps = 1})).noise);

  SamplerPlan plan{.steps = std::vector<ops::SamplerStep>(3)};
  plan.steps[1].kept = {.m3 = 1, .z = 1};
  EXPECT_EQ(needs_of(plan).history, 0) << "no row reads s";
  EXPECT_FALSE(needs_of(plan).noise);
  plan.steps[2].next.s = 1;
  EXPECT_TRUE(needs_of(plan).second_image);
  EXPECT_TRUE(needs_of(plan).noise);
  EXPECT_EQ(needs_of(plan).history, 3);
  plan.steps[1].kept = {};
  plan.steps[0].next.m2 = -1;
  plan.steps[0].input_scale = 2;
  EXPECT_EQ(needs_of(plan).history, 2);
  EXPECT_TRUE(needs_of(plan).scaled_input);
}

// After 100,000 steps of the linear schedule alpha_bar is at the end of float64's range, and the
// inverse of its square root is beyond float32's.
TEST(DdpmSampler, NumbersOfLongProcessesFitFloat32) {
  const NoiseSchedule schedule(DiffusionConfig{.timesteps = 100000});
  EXPECT_LT(schedule.alpha_bar(99999), 1e-300);
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    if (kind == SamplerKind::kDdpm || kind == SamplerKind::kDdim || kind == SamplerKind::kLcm)
      continue;
    EXPECT_THROW(sampler_plan(kind, schedule, {.steps = 5}), ConfigError) << name_of(kind);
  }
  for (const SamplerKind kind : {SamplerKind::kDdpm, SamplerKind::kDdim, SamplerKind::kLcm})
    for (const ops::SamplerStep& row : sampler_plan(kind, schedule, {}).steps) {
      ASSERT_TRUE(std::isfinite(static_cast<float>(row.from_x))) << row.time;
      ASSERT_TRUE(std::isfinite(static_cast<float>(row.from_p))) << row.time;
    }
}

}  // namespace
}  // namespace ddpm
