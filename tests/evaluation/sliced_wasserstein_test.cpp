#include "ddpm/evaluation/sliced_wasserstein.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <numbers>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

PyramidPatches patches_of(const torch::Tensor& pixels) {
  PatchCollector collector(pixels.size(0));
  const std::int64_t half = pixels.size(0) / 2;
  collector.add(pixels.narrow(0, 0, half), 0);
  collector.add(pixels.narrow(0, half, pixels.size(0) - half), half);
  return collector.finish();
}

torch::Tensor noise(std::int64_t count, std::int64_t seed, std::int64_t side = 32) {
  torch::manual_seed(static_cast<std::uint64_t>(seed));
  return torch::randint(0, 256, {count, 3, side, side}, torch::kUInt8);
}

TEST(PatchCollector, GoesDownToSixteenPixels) {
  const PyramidPatches patches = patches_of(noise(4, 0, 67));
  EXPECT_EQ(patches.sides, (std::vector<std::int64_t>{67, 34, 17}));
  for (const torch::Tensor& level : patches.patches)
    EXPECT_EQ(level.sizes(), torch::IntArrayRef({4 * 128, 3, 7, 7}));
}

// What is left of an image without details is on the last level alone.
TEST(PatchCollector, FindsNoDetailsInAFlatImage) {
  const PyramidPatches patches =
      patches_of(torch::full({2, 3, 32, 48}, 100, torch::TensorOptions().dtype(torch::kUInt8)));
  EXPECT_LT(patches.patches[0].abs().max().item<float>(), 1e-4);
  EXPECT_NEAR(patches.patches[1].mean().item<float>(), 100, 1e-3);
}

TEST(PatchCollector, DependsOnTheNumberOfAnImageOnly) {
  const torch::Tensor pixels = noise(6, 1);
  PatchCollector together(6);
  together.add(pixels, 0);
  EXPECT_TRUE(torch::equal(together.finish().patches[0], patches_of(pixels).patches[0]));
}

TEST(PatchCollector, RefusesTinyImages) {
  PatchCollector collector(1);
  EXPECT_THROW(collector.add(torch::zeros({1, 3, 7, 20}, torch::kUInt8), 0), DataError);
}

TEST(SlicedWasserstein, OfASetToItselfIsZero) {
  const PyramidPatches patches = patches_of(noise(10, 2));
  for (const double distance : sliced_wasserstein(patches, patches)) EXPECT_EQ(distance, 0);
}

// Patches of one value u: u = +-1 in one set, u uniform with the same deviation in the other. Their distance along
// a direction d is |sum of d| times the integral of |1 - sqrt(3) s| over [0,1].
TEST(SlicedWasserstein, IsTheKnownDistanceOfTwoDistributions) {
  constexpr std::int64_t kCount = 4000;
  const torch::Tensor s = (torch::arange(kCount, torch::kFloat32) + 0.5) / kCount;
  const auto set = [&](const torch::Tensor& u) {
    return PyramidPatches{.sides = {16},
                          .patches = {u.view({-1, 1, 1, 1}).expand({-1, 1, 7, 7}).contiguous()}};
  };
  const double distance = sliced_wasserstein(set(torch::where(s < 0.5, -1.0f, 1.0f)),
                                             set((2 * s - 1) * std::sqrt(3.0f)))
                              .front();
  const double along = std::sqrt(3) / 2 - 1 + 1 / std::sqrt(3);
  // The sum of a random direction's 49 parts is nearly normal, so its mean absolute value is sqrt(2 / pi); 512
  // directions give it to 3 %.
  EXPECT_NEAR(distance, 1000 * along * std::sqrt(2 * std::numbers::inv_pi), 40);
}

TEST(SlicedWasserstein, FindsThatDetailsAreMissing) {
  const torch::Tensor sharp = noise(200, 3), other = noise(200, 4);
  const torch::Tensor smooth =
      torch::avg_pool2d(sharp.to(torch::kFloat32), 3, 1, 1).to(torch::kUInt8);
  const std::vector<double> same = sliced_wasserstein(patches_of(sharp), patches_of(other)),
                            blurred = sliced_wasserstein(patches_of(other), patches_of(smooth));
  EXPECT_GT(blurred[0], 5 * same[0]);
}

TEST(SlicedWasserstein, RefusesImagesOfOtherSizes) {
  EXPECT_THROW(sliced_wasserstein(patches_of(noise(4, 0)), patches_of(noise(4, 0, 16))), DataError);
}

}  // namespace
}  // namespace ddpm
