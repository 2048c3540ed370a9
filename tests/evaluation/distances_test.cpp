#include "ddpm/evaluation/distances.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

// The expected numbers are those of pytorch-fid, torch-fidelity and prdc (tests/golden/image_distances.py).

torch::Tensor column(std::int64_t count) {
  return torch::arange(count, torch::kFloat64).unsqueeze(1);
}
torch::Tensor row(std::int64_t count) { return torch::arange(count, torch::kFloat64).unsqueeze(0); }

torch::Tensor real_features() { return torch::sin(0.7 * (column(60) + 1) * (row(3) + 1) + row(3)); }
torch::Tensor generated_features() {
  return 0.95 * real_features() + 0.1 * torch::cos(3 * (column(60) + 1) + row(3));
}
torch::Tensor logits() { return 2 * torch::sin(0.7 * column(60) + 1.1 * row(5)); }

double frechet_distance_of(const torch::Tensor& a, const torch::Tensor& b) {
  return frechet_distance(statistics_of(a), statistics_of(b));
}

TEST(FrechetDistance, IsThatOfPytorchFid) {
  EXPECT_NEAR(frechet_distance_of(real_features(), generated_features()), 0.003174935211, 1e-12);
}

TEST(FrechetDistance, OfASetToItselfIsZero) {
  EXPECT_NEAR(frechet_distance_of(real_features(), real_features()), 0, 1e-12);
  const torch::Tensor few = torch::cat({real_features(), generated_features()}, 1).slice(0, 0, 4);
  EXPECT_NEAR(frechet_distance_of(1000 * few, 1000 * few), 0, 1e-8);
}

TEST(FrechetDistance, IsThatOfPytorchFidForFewerImagesThanDimensions) {
  const auto wide = [](const torch::Tensor& x) {
    return torch::cat({x.slice(0, 0, 4), x.slice(0, 10, 14), x.slice(0, 20, 24).slice(1, 0, 1)}, 1);
  };
  EXPECT_NEAR(frechet_distance_of(wide(real_features()), wide(generated_features())), 0.05018690268,
              1e-6);
}

TEST(FrechetDistance, IsThatOfPytorchFidForIllConditionedCovariances) {
  const torch::Tensor scales = torch::tensor({1.0, 1e-3, 1e-6}, torch::kFloat64);
  EXPECT_NEAR(frechet_distance_of(real_features() * scales, generated_features() * scales),
              0.001020258859, 1e-12);
}

TEST(FrechetDistance, RefusesWhatCannotBeCompared) {
  EXPECT_THROW(frechet_distance_of(real_features(), real_features().slice(1, 0, 2)), DataError);
  EXPECT_THROW(statistics_of(real_features().slice(0, 0, 1)), DataError);
  torch::Tensor broken = real_features().clone();
  broken[3][1] = std::nan("");
  EXPECT_THROW(frechet_distance_of(real_features(), broken), DataError);
}

TEST(KernelDistance, IsThatOfTorchFidelity) {
  const MeanOfParts distance = kernel_distance(real_features(), generated_features());
  EXPECT_NEAR(distance.mean, -0.07040818395, 1e-11);
  EXPECT_EQ(distance.deviation, 0);
}

// The mean over all pairs is the expectation of the mean over random ones.
TEST(KernelDistance, OfSubsetsIsNearThatOfTheSet) {
  const torch::Tensor shifted = real_features() + 0.5;
  const double whole = kernel_distance(real_features(), shifted).mean;
  const MeanOfParts parts = kernel_distance(real_features(), shifted, {.subsets = 500, .size = 20});
  EXPECT_GT(parts.deviation, 0);
  EXPECT_NEAR(parts.mean, whole, 4 * parts.deviation / std::sqrt(500));
  const MeanOfParts again = kernel_distance(real_features(), shifted, {.subsets = 500, .size = 20});
  EXPECT_EQ(parts.mean, again.mean);
}

TEST(InceptionScore, IsThatOfTorchFidelity) {
  const MeanOfParts one = inception_score(logits(), 1), four = inception_score(logits(), 4);
  EXPECT_NEAR(one.mean, 1.75006382, 1e-8);
  EXPECT_NEAR(four.mean, 1.727611519, 1e-9);
  EXPECT_NEAR(four.deviation, 0.004005602895, 1e-12);
}

TEST(InceptionScore, RefusesFewerImagesThanParts) {
  EXPECT_THROW(inception_score(logits().slice(0, 0, 9)), DataError);
}

TEST(CoverageOf, IsThatOfTorchFidelityAndPrdc) {
  const Coverage near = coverage_of(real_features(), generated_features());
  EXPECT_DOUBLE_EQ(near.precision, 0.55);
  EXPECT_DOUBLE_EQ(near.recall, 1);
  EXPECT_NEAR(near.density, 0.6566666667, 1e-10);
  EXPECT_NEAR(near.coverage, 0.9666666667, 1e-10);
}

TEST(CoverageOf, IsThatOfPrdcForASetThatIsFarAway) {
  const Coverage far = coverage_of(real_features(), generated_features() + 0.3);
  EXPECT_DOUBLE_EQ(far.precision, 0);
  EXPECT_NEAR(far.recall, 0.03333333333, 1e-10);
  EXPECT_NEAR(far.density, 0.006666666667, 1e-12);
  EXPECT_NEAR(far.coverage, 0.03333333333, 1e-10);
}

TEST(CoverageOf, RefusesFewImages) {
  EXPECT_THROW(coverage_of(real_features().slice(0, 0, 5), real_features()), DataError);
}

}  // namespace
}  // namespace ddpm
