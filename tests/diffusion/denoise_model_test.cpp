#include "ddpm/diffusion/denoise_model.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace ddpm {
namespace {

NoiseSchedule linear() { return NoiseSchedule(DiffusionConfig{}); }

torch::Tensor predict_zero(const torch::Tensor& x, const torch::Tensor&, const Condition&) {
  return torch::zeros_like(x);
}

TEST(DenoiseModel, CorruptsWithUnitVariance) {
  const DenoiseModel model(predict_zero, linear(), torch::kCPU);
  torch::manual_seed(0);
  for (const std::int64_t t : {0, 300, 999}) {
    const torch::Tensor x0 = torch::randn({1, 1, 400, 400}), noise = torch::randn({1, 1, 400, 400});
    EXPECT_NEAR(model.corrupt(x0, torch::tensor({t}), noise).var().item<double>(), 1, 0.02);
  }
  // x0 = 0.3, noise -0.7, t = 300.
  const torch::Tensor x =
      model.corrupt(torch::full({1, 1, 1, 1}, 0.3f), torch::tensor({std::int64_t{300}}),
                    torch::full({1, 1, 1, 1}, -0.7f));
  EXPECT_NEAR(x.item<double>(), -0.3566060961, 1e-6);
}

TEST(DenoiseModel, LossIsTheMeanSquaredErrorOfTheNoise) {
  const DenoiseModel model(predict_zero, linear(), torch::kCPU);
  const torch::Tensor noise = torch::tensor({1.0f, 2.0f, 3.0f, 0.0f}).view({2, 1, 1, 2});
  EXPECT_NEAR(model
                  .loss(torch::zeros({2, 1, 1, 2}),
                        torch::tensor({std::int64_t{1}, std::int64_t{2}}), noise)
                  .item<double>(),
              14.0 / 4, 1e-6);
}

// At t = 300: signal 0.6277030528, sigma 0.7784528743.
TEST(DenoiseModel, OtherTargetsAreVelocityAndImage) {
  const auto loss = [&](Prediction prediction) {
    const DenoiseModel model(predict_zero, linear(), torch::kCPU, {.prediction = prediction});
    return model
        .loss(torch::full({1, 1, 1, 1}, 0.3f), torch::tensor({std::int64_t{300}}),
              torch::full({1, 1, 1, 1}, -0.7f))
        .item<double>();
  };
  EXPECT_NEAR(loss(Prediction::kNoise), 0.49, 1e-6);
  EXPECT_NEAR(loss(Prediction::kVelocity), 0.6729279993 * 0.6729279993, 1e-6);
  EXPECT_NEAR(loss(Prediction::kImage), 0.09, 1e-6);
}

// The prediction is 0, so the errors are the noise: 1, 2 at timestep 1; 3, 0 at timestep 2.
TEST(DenoiseModel, OtherLossesAndWeights) {
  const auto loss = [&](const Objective& objective) {
    const DenoiseModel model(predict_zero, linear(), torch::kCPU, objective);
    return model
        .loss(torch::zeros({2, 1, 1, 2}), torch::tensor({std::int64_t{1}, std::int64_t{2}}),
              torch::tensor({1.0f, -2.0f, 3.0f, 0.0f}).view({2, 1, 1, 2}))
        .item<double>();
  };
  EXPECT_NEAR(loss({.loss = Loss::kL1}), 6.0 / 4, 1e-6);
  EXPECT_NEAR(loss({.loss = Loss::kHuber}), (0.5 + 1.5 + 2.5) / 4, 1e-6);
  EXPECT_NEAR(loss({.loss = Loss::kHuber, .huber_delta = 2}), (0.5 + 2 + 4) / 4, 1e-6);
  std::vector<double> weights(1000, 0.0);
  weights[1] = 10;
  weights[2] = 0.5;
  EXPECT_NEAR(loss({.weights = weights}), (50 + 4.5) / 4, 1e-5);
  EXPECT_NEAR(loss({.loss = Loss::kL1, .weights = weights}), (30 + 1.5) / 4, 1e-5);
}

}  // namespace
}  // namespace ddpm
