#include "ddpm/diffusion/objective.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/config_error.h"

namespace ddpm {
namespace {

// Weights at timesteps 0, 100, 200 and 500 of the linear schedule, whose SNR are 9999, 8.5366696,
// 1.9099121 and 0.084359549. They were computed with NumPy in float64 from the papers' formulas.
void expect_weights(LossWeight kind, Prediction prediction, const std::vector<double>& expected,
                    TrainingConfig training = {}) {
  training.loss_weight = kind;
  DiffusionConfig diffusion;
  diffusion.prediction_type = prediction;
  const std::vector<double> weights = loss_weights(diffusion, training);
  ASSERT_EQ(weights.size(), 1000);
  const std::vector<double> found = {weights[0], weights[100], weights[200], weights[500]};
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] / expected[i], 1, 1e-7) << i;
}

TEST(LossWeights, AreNoneWhenUniform) {
  EXPECT_TRUE(loss_weights({}, {}).empty());
  EXPECT_TRUE(objective_of({}, {}).weights.empty());
}

TEST(LossWeights, MinSnrLimitsTheRatio) {
  using enum Prediction;
  expect_weights(LossWeight::kMinSnr, kNoise, {0.000500050005, 0.585708509, 1, 1});
  expect_weights(LossWeight::kMinSnr, kImage, {5, 5, 1.909912080, 0.08435954941});
  expect_weights(LossWeight::kMinSnr, kVelocity, {0.0005, 0.524292046, 0.656347005, 0.07779665812});
  TrainingConfig training;
  training.min_snr_gamma = 1;
  expect_weights(LossWeight::kMinSnr, kImage, {1, 1, 1, 0.08435954941}, training);
}

TEST(LossWeights, MinSnrLearnsTheLastTimestepOfAProcessThatEndsInNoise) {
  DiffusionConfig diffusion;
  diffusion.zero_terminal_snr = true;
  diffusion.prediction_type = Prediction::kVelocity;
  TrainingConfig training;
  training.loss_weight = LossWeight::kMinSnr;
  EXPECT_EQ(loss_weights(diffusion, training).back(), 1);
}

TEST(LossWeights, P2PrefersNoise) {
  using enum Prediction;
  expect_weights(LossWeight::kP2, kNoise, {1e-4, 0.1048584091, 0.3436529945, 0.9222033416});
  TrainingConfig training;
  training.p2_gamma = 0.5;
  expect_weights(LossWeight::kP2, kNoise, {0.01, 0.3238184817, 0.5862192376, 0.9603141890},
                 training);
}

TEST(LossWeights, EdmIsThatOfTheDenoiser) {
  using enum Prediction;
  expect_weights(LossWeight::kEdm, kNoise, {1.000400040, 1.468566806, 3.094337243, 48.41609015});
  expect_weights(LossWeight::kEdm, kVelocity, {1.0003, 1.314575227, 2.030958983, 3.766610025});
  expect_weights(LossWeight::kEdm, kImage, {10003, 12.53666958, 5.909912080, 4.084359549});
}

// The quantiles of scipy.stats.norm over the intervals of ln(sigma / signal).
TEST(LogNormalTimesteps, AreQuantiles) {
  TrainingConfig training;
  EXPECT_EQ(log_normal_timesteps({}, training, 16),
            (std::vector<std::int64_t>{6, 15, 23, 32, 42, 53, 66, 80, 97, 117, 141, 171, 210, 261,
                                       333, 463}));
}

TEST(LogNormalTimesteps, KnowProcessesOfOneTimestepAndOfPureNoise) {
  DiffusionConfig diffusion;
  diffusion.timesteps = 1;
  diffusion.beta_start = diffusion.beta_end = 0.5;
  EXPECT_EQ(log_normal_timesteps(diffusion, {}, 3), (std::vector<std::int64_t>{0, 0, 0}));
  diffusion = {};
  diffusion.zero_terminal_snr = true;
  TrainingConfig training;
  training.log_normal_mean = 7;
  const std::vector<std::int64_t> timesteps = log_normal_timesteps(diffusion, training, 10000);
  EXPECT_TRUE(std::ranges::is_sorted(timesteps));
  EXPECT_EQ(timesteps.back(), 998);  // pure noise is infinitely far from the mean
}

TEST(LogNormalTimesteps, MustBeNearTheMean) {
  TrainingConfig training;
  training.log_normal_mean = 10;
  training.log_normal_deviation = 0.5;
  const std::string error =
      config_error([&] { static_cast<void>(log_normal_timesteps({}, training, 10)); });
  EXPECT_NE(error.find("they have ln(sigma / signal) from -4.61 to 5.06"), std::string::npos)
      << error;
}

}  // namespace
}  // namespace ddpm
