#include "ddpm/ops/random.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

namespace ddpm {
namespace {

const RandomKey kKey{.seed = 0x123456789abcdefull,
                     .stream = RandomStream::kNoise,
                     .step = (7ull << 32) + 11,
                     .sample = (3ull << 32) + 5};

TEST(RandomWords, EqualTheScalarDefinition) {
  const torch::Tensor words = ops::random_words(kKey, 3, 10, torch::kCPU);
  for (std::int64_t row = 0; row < 3; ++row)
    for (std::int64_t e = 0; e < 10; ++e)
      EXPECT_EQ(words[row][e].item<std::int64_t>(),
                random_word(kKey.with_sample(kKey.sample + static_cast<std::uint64_t>(row)),
                            static_cast<std::uint64_t>(e)));
}

TEST(RandomWords, TensorOperationsGiveTheSameIntegersAsTheLoop) {
  EXPECT_TRUE(torch::equal(ops::random_words(kKey, 17, 1001, torch::kCPU),
                           ops::reference::random_words(kKey, 17, 1001, torch::kCPU)));
}

TEST(RandomWords, AreTheSameOnTheGpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  EXPECT_TRUE(torch::equal(ops::random_words(kKey, 17, 1001, torch::kCPU),
                           ops::random_words(kKey, 17, 1001, torch::kCUDA).cpu()));
  const torch::Tensor cpu = ops::random_normal(kKey, 8, {3, 16, 16}, torch::kCPU);
  EXPECT_TRUE(torch::allclose(cpu, ops::random_normal(kKey, 8, {3, 16, 16}, torch::kCUDA).cpu(),
                              1e-5, 1e-5));
}

TEST(RandomNormal, HasTheMomentsOfAStandardNormal) {
  const torch::Tensor z = ops::random_normal(RandomKey{.seed = 3, .stream = RandomStream::kNoise},
                                             64, {3, 64, 64}, torch::kCPU)
                              .to(torch::kFloat64);
  const double n = static_cast<double>(z.numel());
  EXPECT_NEAR(z.mean().item<double>(), 0, 5 / std::sqrt(n));
  EXPECT_NEAR(z.pow(2).mean().item<double>(), 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(z.pow(3).mean().item<double>(), 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(z.pow(4).mean().item<double>(), 3, 5 * std::sqrt(96 / n));
  // P(|z| > 3) = 0.0026998.
  const double tail = z.abs().gt(3).to(torch::kFloat64).mean().item<double>();
  EXPECT_NEAR(tail, 0.0026998, 5 * std::sqrt(0.0027 / n));
}

TEST(RandomNormal, NeighboursAreUncorrelated) {
  const torch::Tensor z =
      ops::random_normal(RandomKey{.seed = 4}, 256, {1024}, torch::kCPU).to(torch::kFloat64);
  const double n = static_cast<double>(z.numel());
  EXPECT_NEAR((z.slice(1, 1) * z.slice(1, 0, -1)).mean().item<double>(), 0,
              5 / std::sqrt(n));  // elements
  EXPECT_NEAR((z.slice(0, 1) * z.slice(0, 0, -1)).mean().item<double>(), 0,
              5 / std::sqrt(n));  // samples
}

TEST(RandomNormal, AnswersDoNotDependOnTheBatch) {
  const torch::Tensor all = ops::random_normal(kKey, 9, {3, 5, 7}, torch::kCPU);
  const torch::Tensor tail =
      ops::random_normal(kKey.with_sample(kKey.sample + 4), 5, {3, 5, 7}, torch::kCPU);
  EXPECT_TRUE(torch::equal(all.slice(0, 4), tail));
}

TEST(RandomIntegers, EqualTheScalarDefinition) {
  const torch::Tensor t = ops::random_integers(kKey, 100, 1000, torch::kCPU);
  for (std::int64_t i = 0; i < 100; ++i)
    EXPECT_EQ(t[i].item<std::int64_t>(),
              random_below(kKey.with_sample(kKey.sample + static_cast<std::uint64_t>(i)), 0, 1000));
}

}  // namespace
}  // namespace ddpm
