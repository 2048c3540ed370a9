#include "ddpm/diffusion/variational_bound.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <array>
#include <cmath>

#include "ddpm/diffusion/denoise_model.h"
#include "support/fill.h"

namespace ddpm {
namespace {

using testing::hash_tensor;

const NoiseSchedule& linear() {
  static const NoiseSchedule schedule{DiffusionConfig{}};
  return schedule;
}

torch::Tensor pixel(double value) { return torch::full({1, 1, 1, 1}, value, torch::kFloat64); }

// The values are from OpenAI's code in float64.
TEST(DiscretizedLogLikelihood, OfPixelsInsideAndAtBothEnds) {
  const auto likelihood = [](double x, double mean, double std) {
    return discretized_log_likelihood(pixel(x), pixel(x - mean), pixel(std).log(), -1, 1)
        .item<double>();
  };
  EXPECT_NEAR(likelihood(0.1, 0.12, 0.01), -3.082669696, 1e-8);
  EXPECT_NEAR(likelihood(-1, -0.98, 0.02), -1.556716684, 1e-8);
  EXPECT_NEAR(likelihood(1, 0.97, 0.05), -1.200565862, 1e-8);
  EXPECT_NEAR(likelihood(0.5, -0.5, 0.01), -27.63102112, 1e-7) << "a probability is at least 1e-12";
}
// The pixels are the same as u in [0,1] and as x = 2u - 1.
TEST(DiscretizedLogLikelihood, DoesNotDependOnTheRangeOfPixels) {
  for (const double u : {0.0, 0.2, 0.7, 1.0})
    EXPECT_NEAR(
        discretized_log_likelihood(pixel(2 * u - 1), pixel(0.02), pixel(-4), -1, 1).item<double>(),
        discretized_log_likelihood(pixel(u), pixel(0.01), pixel(-4 - std::log(2)), 0, 1)
            .item<double>(),
        1e-12);
}
TEST(DiscretizedLogLikelihood, SumsToOneOverAllValues) {
  const torch::Tensor pixels = torch::arange(256, torch::kFloat64).view({1, 1, 16, 16}) / 127.5 - 1;
  for (const double mean : {-0.99, 0.3})
    for (const double log_std : {-4.0, -2.0})
      EXPECT_NEAR(discretized_log_likelihood(pixels, pixels - mean,
                                             torch::full_like(pixels, log_std), -1, 1)
                      .exp()
                      .sum()
                      .item<double>(),
                  1, 1e-9);
}

// x0 = 200 / 127.5 - 1, the noise is 0.5 and predicted as 0.45. An independent program computed the
// values.
TEST(VariationalBound, TermsOfALinearSchedule) {
  const VariationalBound bound(linear(), torch::kCPU);
  const auto term = [&](std::int64_t t, double v) {
    return bound.terms(pixel(200 / 127.5 - 1), torch::tensor({t}), pixel(-0.05), pixel(v))
        .item<double>();
  };
  const auto near = [](double actual, double expected) { EXPECT_NEAR(actual / expected, 1, 1e-5); };
  near(term(0, 0), 1.509428539);
  near(term(0, 0.2), 1.550165461);
  near(term(1, 0), 0.05077008556);
  near(term(1, 0.2), 0.07064312741);
  near(term(500, 0), 1.994700463e-05);
  near(term(500, 0.2), 1.997447527e-05);
  near(term(999, 0), 3.680494552e-05);
  near(term(999, 0.2), 3.680494252e-05);
}

// The bound is the same if the network predicts the velocity or the image that mean the same.
TEST(VariationalBound, IsTheSameForEveryPrediction) {
  for (const std::int64_t t : {0, 1, 300, 999}) {
    const double bar = linear().alpha_bar(t), signal = std::sqrt(bar), sigma = std::sqrt(1 - bar);
    const auto term = [&](Prediction prediction, double error) {
      return VariationalBound(linear(), torch::kCPU, prediction)
          .terms(pixel(0.3), torch::tensor({t}), pixel(error), pixel(-0.4))
          .item<double>();
    };
    // For fixed x, an error e of the noise is -e sigma / signal of the image, and e / signal of v.
    const double expected = term(Prediction::kNoise, 0.07);
    EXPECT_NEAR(term(Prediction::kImage, -0.07 * sigma / signal) / expected, 1, 1e-5) << t;
    EXPECT_NEAR(term(Prediction::kVelocity, 0.07 / signal) / expected, 1, 1e-5) << t;
  }
}

TEST(VariationalBound, TakesAProcessOfOneStep) {
  const VariationalBound bound(NoiseSchedule({.timesteps = 1}), torch::kCPU);
  EXPECT_TRUE(bound.terms(pixel(0), torch::tensor({std::int64_t{0}}), pixel(0.1), pixel(0.5))
                  .isfinite()
                  .item<bool>());
}

// tests/golden/hybrid_loss.py printed these from guided-diffusion's training_losses: timestep, mean
// squared error, bound, and the gradient at four places.
class HybridLossTest : public ::testing::Test {
 protected:
  static constexpr std::array<std::array<double, 7>, 4> kExpected = {{
      {0, 0.00281108416, 1.336383178, -0.001048657629, 0.0005174229542, 0.00283498637,
       0.002842069746},
      {1, 0.004102479241, 0.0628393188, 0.002347513619, 0.001356474848, 0.001556851393,
       0.002006498081},
      {500, 0.002829823659, 2.258676091e-05, 0.001710005312, 0.002721849415, 8.479918677e-10,
       1.002649526e-09},
      {999, 0.003301119859, 4.859901658e-05, -0.001423651973, -0.0002830366397, -2.19204949e-13,
       -8.542104232e-15},
  }};
  static constexpr double kGradientNorm = 0.018427520347909745;

  HybridLossTest() {
    const torch::Tensor values = ((hash_tensor(1, kShape, 1.2).clamp(-0.5, 0.5) + 0.5) * 255);
    x0_ = (values.round() / 127.5 - 1).to(torch::kFloat32);
    const torch::Tensor noise = hash_tensor(2, kShape, 4);
    noise_ = noise.to(torch::kFloat32);
    output_ = torch::cat({noise + hash_tensor(3, kShape, 0.2), hash_tensor(4, kShape, 2)}, 1)
                  .to(torch::kFloat32)
                  .set_requires_grad(true);
  }
  torch::Tensor loss(double weight = 0.001) {
    const DenoiseModel model(
        [&](const torch::Tensor&, const torch::Tensor&, const Condition&) { return output_; },
        linear(), torch::kCPU, {}, HybridLoss{VariationalBound(linear(), torch::kCPU), weight});
    return model.loss(x0_, times_, noise_);
  }

  const std::vector<std::int64_t> kShape = {4, 2, 3, 3};
  torch::Tensor x0_, noise_, output_;
  torch::Tensor times_ = torch::tensor({0, 1, 500, 999}, torch::kInt64);
};

TEST_F(HybridLossTest, IsThatOfGuidedDiffusion) {
  double simple = 0, bound = 0;
  for (const auto& row : kExpected) {
    simple += row[1] / 4;
    bound += row[2] / 4;
  }
  EXPECT_NEAR(loss().item<double>(), simple + bound, 1e-6 * (simple + bound));
  EXPECT_NEAR(loss(0.0005).item<double>(), simple + bound / 2, 1e-6 * (simple + bound));
}

TEST_F(HybridLossTest, HasItsGradient) {
  const torch::Tensor gradient = torch::autograd::grad({loss()}, {output_})[0];
  EXPECT_NEAR(gradient.norm().item<double>() / kGradientNorm, 1, 1e-6);
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto& row = kExpected.at(static_cast<std::size_t>(i));
    const std::array<double, 4> actual = {
        gradient[i][0][0][0].item<double>(), gradient[i][1][2][2].item<double>(),
        gradient[i][2][0][0].item<double>(), gradient[i][3][2][2].item<double>()};
    for (std::size_t k = 0; k < actual.size(); ++k)
      EXPECT_NEAR(actual.at(k), row.at(k + 3), 1e-5 * std::abs(row.at(k + 3)) + 1e-9)
          << "t = " << row[0] << ", place " << k;
  }
}

// The bound must not train the mean, because its gradient for the mean is far noisier.
TEST_F(HybridLossTest, TeachesTheVarianceAlone) {
  const auto gradient = [&](double weight) {
    return torch::autograd::grad({loss(weight)}, {output_})[0];
  };
  const torch::Tensor one = gradient(0.001), two = gradient(0.002);
  EXPECT_TRUE(torch::equal(one.narrow(1, 0, 2), two.narrow(1, 0, 2)));
  EXPECT_FALSE(torch::equal(one.narrow(1, 2, 2), two.narrow(1, 2, 2)));
}

}  // namespace
}  // namespace ddpm
