#include "ddpm/evaluation/bits_per_dim.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "support/fill.h"

namespace ddpm {
namespace {

using testing::hash_tensor;

const std::vector<std::int64_t> kShape = {2, 2, 3, 3};

// The same as in tests/golden/bits_per_dim.py.
LikelihoodRequest request(Prediction prediction, Variance variance, bool clip) {
  LikelihoodRequest request{
      .diffusion = {.timesteps = 10,
                    .schedule = BetaSchedule::kLinear,
                    .beta_start = 0.01,
                    .beta_end = 0.3,
                    .variance = variance,
                    .prediction_type = prediction,
                    .clip_x0 = clip},
      .images = ((hash_tensor(1, kShape, 1.2).clamp(-0.5, 0.5) + 0.5) * 255).round() / 127.5 - 1,
      .noise = [](std::int64_t t) {
        return hash_tensor(static_cast<std::uint64_t>(100 + t), kShape, 4.0).to(torch::kFloat32);
      }};
  request.images = request.images.to(torch::kFloat32);
  request.predictor = [variance](const torch::Tensor& x, const torch::Tensor& t,
                                 const Condition&) -> torch::Tensor {
    const torch::Tensor mean = torch::tanh(x * (1 + t.view({-1, 1, 1, 1}) / 10.0));
    return variance == Variance::kLearnedRange ? torch::cat({mean, torch::sin(3 * x)}, 1) : mean;
  };
  return request;
}

// Sum of all terms, L_0, L_1, L_9 and the prior.
void expect_terms(const LikelihoodRequest& request, const std::vector<double>& expected) {
  const torch::Tensor terms = bound_terms(request);
  ASSERT_EQ(terms.sizes(), torch::IntArrayRef({11}));
  const std::vector<double> actual = {terms.sum().item<double>(), terms[0].item<double>(),
                                      terms[1].item<double>(), terms[9].item<double>(),
                                      terms[10].item<double>()};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(actual[i] / expected[i], 1, 1e-5) << i;
}

TEST(BoundTerms, EqualThoseOfGuidedDiffusion) {
  expect_terms(request(Prediction::kNoise, Variance::kFixedLarge, true),
               {17.8891164, 11.5973905, 2.52547641, 0.151609376, 0.13273077});
  expect_terms(request(Prediction::kNoise, Variance::kFixedSmall, false),
               {24.0841897, 11.6717411, 6.96775055, 0.241469535, 0.13273077});
  expect_terms(request(Prediction::kNoise, Variance::kLearnedRange, true),
               {20.105521, 11.4607629, 4.48388317, 0.154781464, 0.13273077});
  expect_terms(request(Prediction::kImage, Variance::kFixedSmall, true),
               {27.0384064, 13.8254764, 7.05212567, 0.166198632, 0.13273077});
}

TEST(BoundTerms, AreNotGivenForAPlainLearnedVariance) {
  EXPECT_THROW(bound_terms(request(Prediction::kNoise, Variance::kLearned, true)), ConfigError);
}

}  // namespace
}  // namespace ddpm
