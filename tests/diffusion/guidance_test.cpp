#include "ddpm/diffusion/guidance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/diffusion/generator.h"

namespace ddpm {
namespace {

torch::Tensor one_row(std::vector<double> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return torch::tensor(values, torch::kFloat64).view({1, 1, 1, size});
}

torch::Tensor number(double value) { return torch::tensor({value}, torch::kFloat32); }

// Images of class 0 have the prediction `own`, others `other`.
Predictor by_label(const torch::Tensor& own, const torch::Tensor& other) {
  return [=](const torch::Tensor& x, const torch::Tensor&, const Condition& condition) {
    std::vector<torch::Tensor> rows;
    for (std::int64_t i = 0; i < x.size(0); ++i)
      rows.push_back(condition.labels[i].item<std::int64_t>() == 0 ? own : other);
    return torch::cat(rows);
  };
}

Condition labels(std::vector<std::int64_t> numbers) {
  return {.labels = torch::tensor(numbers, torch::kInt64)};
}

const torch::Tensor kConditional = one_row({1, 2, -1, 0.5});
const torch::Tensor kUnconditional = one_row({0.5, 1, 0, 0.25});

torch::Tensor guided_by(double scale, double rescale) {
  const Predictor guide = guided(by_label(kConditional, kUnconditional),
                                 {.negative = labels({5}), .rescale = rescale}, number(scale));
  return guide(torch::zeros_like(kConditional), torch::zeros({1}), labels({0}));
}

void expect_values(const torch::Tensor& row, const std::vector<double>& expected) {
  ASSERT_EQ(row.numel(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(row.flatten()[static_cast<std::int64_t>(i)].item<double>(), expected[i], 1e-7);
}

TEST(Guidance, GoesFromTheNegativePredictionThroughTheOwn) {
  expect_values(guided_by(1, 0), {1, 2, -1, 0.5});
  expect_values(guided_by(0, 0), {0.5, 1, 0, 0.25});
  expect_values(guided_by(3, 0), {2, 4, -3, 1});
}

// diffusers' rescale_noise_cfg with guidance 3 and 0.7 gave these numbers in float64.
TEST(Guidance, IsRescaledToTheDeviationOfTheOwnPrediction) {
  expect_values(guided_by(3, 0.7), {1.19444544, 2.38889089, -1.79166816, 0.59722272});
}

TEST(Guidance, TakesOneBatchOfTwo) {
  int calls = 0;
  const Predictor network = [&](const torch::Tensor& x, const torch::Tensor& t,
                                const Condition& condition) {
    ++calls;
    EXPECT_EQ(x.size(0), 6);
    EXPECT_TRUE(torch::equal(x.narrow(0, 0, 3), x.narrow(0, 3, 3)));
    EXPECT_TRUE(torch::equal(t, torch::tensor({1.0, 2.0, 3.0, 1.0, 2.0, 3.0})));
    EXPECT_TRUE(torch::equal(condition.labels, torch::tensor({4, 0, 2, 9, 9, 9})));
    return x;
  };
  const torch::Tensor x = torch::randn({3, 1, 2, 2});
  guided(network, {.negative = labels({9})}, number(2))(x, torch::tensor({1.0, 2.0, 3.0}),
                                                        labels({4, 0, 2}));
  EXPECT_EQ(calls, 1);
}

TEST(Guidance, LeavesTheVarianceAsItIs) {
  const torch::Tensor own = torch::tensor({1.0, 7.0}).view({1, 2, 1, 1}),
                      other = torch::tensor({2.0, 9.0}).view({1, 2, 1, 1});
  const torch::Tensor result = guided(by_label(own, other), {.negative = labels({1})}, number(2))(
      torch::zeros({1, 1, 1, 1}), torch::zeros({1}), labels({0}));
  EXPECT_TRUE(torch::equal(result.flatten(), torch::tensor({0.0, 7.0})));
}

TEST(Guidance, ByAWeakerModelGivesItTheSameCondition) {
  const Predictor weak = [](const torch::Tensor& x, const torch::Tensor& t,
                            const Condition& condition) {
    EXPECT_EQ(x.size(0), 1);
    EXPECT_EQ(t.size(0), 1);
    EXPECT_EQ(condition.labels.item<std::int64_t>(), 0);
    return kUnconditional;
  };
  const Predictor predictor =
      guided(by_label(kConditional, kConditional), {.guide = weak}, number(3));
  expect_values(predictor(torch::zeros_like(kConditional), torch::zeros({1}), labels({0})),
                {2, 4, -3, 1});
}

// --- In a plan ---------------------------------------------------------------------------------------

// Noise is predicted as a share of x that depends on the class; the batch is as large as the call.
struct Counted {
  std::vector<std::int64_t> batches;
  Predictor predictor = [this](const torch::Tensor& x, const torch::Tensor&,
                               const Condition& condition) {
    batches.push_back(x.size(0));
    const torch::Tensor share = 0.2 + 0.1 * condition.labels.to(torch::kFloat32);
    return x * share.view({-1, 1, 1, 1});
  };
};

SamplerPlan guided_ddim(double low, double high, double scale) {
  SamplerPlan plan = ddim_plan(NoiseSchedule(DiffusionConfig{}), {.steps = 10, .clip_x0 = false});
  for (ops::SamplerStep& row : plan.steps)
    if (row.sigma / row.signal > low && row.sigma / row.signal <= high) row.guidance = scale;
  return plan;
}

torch::Tensor make(const SamplerPlan& plan, const Predictor& predictor) {
  Generator generator(
      plan, predictor,
      {.count = 2, .shape = {1, 2, 2}, .guidance = Guidance{.negative = labels({4})}});
  return generator.make(0, labels({1, 2}), torch::ones({2, 1, 2, 2}));
}

// The formulas of DDIM with guided noise, written again in float64.
double expected_end(double own, double other, double low, double high, double scale) {
  const NoiseSchedule schedule{DiffusionConfig{}};
  double x = 1;
  for (int i = 9; i >= 0; --i) {
    const double a = schedule.alpha_bar(111 * i), b = i > 0 ? schedule.alpha_bar(111 * (i - 1)) : 1;
    const double kappa = std::sqrt((1 - a) / a);
    const bool inside = kappa > low && kappa <= high;
    const double e = x * (inside ? other + scale * (own - other) : own);
    x = std::sqrt(b) * (x - std::sqrt(1 - a) * e) / std::sqrt(a) + std::sqrt(1 - b) * e;
  }
  return x;
}

TEST(GuidedPlan, FollowsTheFormulasInsideItsInterval) {
  Counted network;
  const torch::Tensor images = make(guided_ddim(0.5, 20, 3), network.predictor);
  EXPECT_NEAR(images[0][0][0][0].item<double>() / expected_end(0.3, 0.6, 0.5, 20, 3), 1, 1e-5);
  EXPECT_NEAR(images[1][0][1][1].item<double>() / expected_end(0.4, 0.6, 0.5, 20, 3), 1, 1e-5);
  // Times 999, 888, .. with kappa 157, 53, 21, 9.6, 4.8, 2.6, 1.5, 0.87, 0.44, 0.01: from 21 on too much.
  EXPECT_EQ(network.batches, (std::vector<std::int64_t>{2, 2, 2, 4, 4, 4, 4, 4, 2, 2}));
}

TEST(GuidedPlan, OfScaleOneCostsOneEvaluation) {
  Counted network;
  const torch::Tensor images = make(guided_ddim(0, 1e9, 1), network.predictor);
  EXPECT_EQ(network.batches, std::vector<std::int64_t>(10, 2));
  EXPECT_NEAR(images[0][0][0][0].item<double>() / expected_end(0.3, 0, 1, 0, 1), 1, 1e-5);
}

TEST(GuidedPlan, NeedsGuidance) {
  EXPECT_THROW(Generator(guided_ddim(0, 9, 2), Counted().predictor, {}), std::invalid_argument);
}

// --- Dropping labels -----------------------------------------------------------------------------------

TEST(DroppedLabels, AreDecidedByTheirOwnNumbers) {
  const RandomKey key{.seed = 11, .step = 70, .sample = 5};
  const torch::Tensor own = torch::arange(6000, torch::kInt64) % 10;
  const torch::Tensor dropped = drop_labels({.labels = own}, key, 0.1, 10).labels;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < 6000; ++i) {
    const RandomKey row =
        key.with_stream(RandomStream::kLabelDropout).with_sample(5 + static_cast<std::uint64_t>(i));
    const bool drops = random_word(row, 0) / 4294967296.0 < 0.1;
    count += drops ? 1 : 0;
    ASSERT_EQ(dropped[i].item<std::int64_t>(), drops ? 10 : i % 10) << i;
  }
  EXPECT_NEAR(static_cast<double>(count), 600, 4 * std::sqrt(6000 * 0.09));
}

TEST(DroppedLabels, AreNoneWithoutAProbabilityOrLabels) {
  const Condition condition = labels({1, 2});
  EXPECT_TRUE(drop_labels(condition, RandomKey{}, 0, 10).labels.is_same(condition.labels));
  EXPECT_FALSE(drop_labels({}, RandomKey{}, 0.5, 10).labels.defined());
}

}  // namespace
}  // namespace ddpm
