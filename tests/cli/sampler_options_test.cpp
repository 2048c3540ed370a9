// The sampler, timesteps and noise of `ddpm sample`.
#include <gtest/gtest.h>

#include <set>

#include "ddpm/config/samplers.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::ProgramResult;

class SamplerOptionsTest : public testing::TinyRun {};

// Of 20 timesteps.
TEST_F(SamplerOptionsTest, TimestepsAreNamedOneByOneOrAsByOpenAi) {
  ASSERT_EQ(train().code, 0);
  const auto images = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample", "--sampler",  "ddim", "--threads",
                                          "1",      "--count",    "1",    "--output",
                                          "a.png",  "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return testing::content_of(folder_ / "a.png");
  };
  const std::string named = images({"--timesteps", "16,12,8,4,0"});
  EXPECT_EQ(images({"--steps", "ddim5"}), named);
  EXPECT_EQ(images({"--steps", "2,3"}), images({"--timesteps", "19,14,10,9,0"}));
  EXPECT_NE(images({"--steps", "5"}), named);
  EXPECT_TRUE(contains(named, "16,12,8,4,0")) << "the picture tells its timesteps";
}

TEST_F(SamplerOptionsTest, ChurnAddsNoiseToEuler) {
  ASSERT_EQ(train().code, 0);
  const auto images = [&](const char* churn) {
    EXPECT_EQ(run({"sample", "--sampler", "euler", "--steps", "6", "--churn", churn, "--threads",
                   "1", "--count", "2", "--output", "a.safetensors", "--overwrite"})
                  .code,
              0);
    return testing::content_of(folder_ / "a.safetensors");
  };
  const std::string churned = images("2");
  EXPECT_NE(images("0"), churned);
  EXPECT_EQ(images("2"), churned);
}

TEST_F(SamplerOptionsTest, EverySamplerDrawsItsOwnImages) {
  ASSERT_EQ(train().code, 0);
  const auto images = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "sample",    "--count", "2",        "--steps",       "6",
        "--threads", "1",       "--output", "a.safetensors", "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return testing::content_of(folder_ / "a.safetensors");
  };
  std::set<std::string> seen;
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    std::vector<std::string> sampler = {"--sampler", std::string(name_of(kind))};
    if (facts_of(kind).takes_spacing) sampler.insert(sampler.end(), {"--spacing", "leading"});
    const std::string first = images(sampler);
    EXPECT_EQ(images(sampler), first) << name_of(kind);
    seen.insert(first);
  }
  // With leading times and clipping, euler is ddim, and euler-a is ddpm with the small variance.
  EXPECT_GE(seen.size(), kChoices<SamplerKind>.size() - 2);
  const std::string plain = images({"--sampler", "dpm++2m"});
  EXPECT_EQ(images({"--sampler", "DPMSolverMultistepScheduler"}), plain);
  EXPECT_NE(images({"--sampler", "dpm++2m", "--sigmas", "karras"}), plain);
  EXPECT_NE(images({"--sampler", "dpm++2m", "--spacing", "trailing"}), plain);
}

TEST_F(SamplerOptionsTest, LevelsOfNothingButNoiseAreWarnedOf) {
  ASSERT_EQ(run(training({"diffusion.timesteps=1000", "diffusion.schedule=cosine"})).code, 0);
  const auto warned = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"sample", "--count", "1", "--steps", "2", "--sampler", "dpm++3m",
                               "--overwrite", "--output", "a.png"});
    const ProgramResult result = run(more);
    EXPECT_EQ(result.code, 0) << result.err;
    return contains(result.err, "ends in nothing but noise");
  };
  EXPECT_TRUE(warned({"--sigmas", "karras"}));
  EXPECT_FALSE(warned({"--sigmas", "karras", "--sigma-max", "20"}));
  EXPECT_FALSE(warned({}));
}

TEST_F(SamplerOptionsTest, AnEtaThatWouldBeIgnoredIsRefused) {
  ASSERT_EQ(train().code, 0);
  const std::vector<std::string> quick = {"sample", "--count", "1", "--steps", "2"};
  const auto sample = [&](std::vector<std::string> more) {
    more.insert(more.begin(), quick.begin(), quick.end());
    return run(more);
  };
  for (const std::vector<std::string>& eta : std::vector<std::vector<std::string>>{
           {"--eta", "0.5"}, {"--eta", "0"}, {"--set", "sampling.eta=0.5"}}) {
    const ProgramResult result = sample(eta);
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(contains(result.err, eta[0] + ": the sampler ddpm has no eta")) << result.err;
  }
  EXPECT_EQ(sample({"--sampler", "ddim", "--eta", "0.5"}).code, 0);
}

}  // namespace
}  // namespace ddpm
