// The timesteps and the noise of `ddpm sample`.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ddpm
