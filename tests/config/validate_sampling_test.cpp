#include <gtest/gtest.h>

#include "config_error.h"
#include "ddpm/config/validate.h"

namespace ddpm {
namespace {

std::string error_of(const Config& config) {
  return config_error([&] { validate(config); });
}

TEST(ValidateSampling, WantsChurnOnlyForSamplersThatAddIt) {
  Config config;
  config.sampling.churn = 10;
  config.sampling.sampler = SamplerKind::kDpm2;
  EXPECT_EQ(
      error_of(config),
      "config: sampling.churn = 10.0 and sampling.sampler = \"dpm2\": the sampler dpm2 has no "
      "churn; set sampling.churn=0, or choose euler or heun");
  config.sampling.sampler = SamplerKind::kHeun;
  EXPECT_NO_THROW(validate(config));
  config.sampling.churn_low = 2;
  config.sampling.churn_high = 1;
  EXPECT_NE(error_of(config).find("sampling.churn_high"), std::string::npos);
}

TEST(ValidateSampling, WantsTimestepsOfTheProcessThatDescend) {
  Config config;
  config.sampling.timesteps = {999, 800, 0};
  EXPECT_NO_THROW(validate(config));
  config.sampling.sampler = SamplerKind::kEuler;
  config.sampling.sigmas = SigmaSpacing::kKarras;
  EXPECT_NE(error_of(config).find("set sampling.sigmas=schedule"), std::string::npos);
  config.sampling.sigmas = SigmaSpacing::kSchedule;
  config.sampling.timesteps = {1000, 800};
  EXPECT_EQ(
      error_of(config),
      "config: sampling.timesteps = [1000, 800] and diffusion.timesteps = 1000: the timesteps "
      "are 0 to 999");
  for (const std::int64_t last : {800, 900}) {
    config.sampling.timesteps = {999, 800, last};
    EXPECT_EQ(error_of(config),
              "config: sampling.timesteps = [999, 800, " + std::to_string(last) +
                  "]: " + std::to_string(last) +
                  " comes after 800, but timesteps must descend, such as 999,800,500,0");
  }
}

}  // namespace
}  // namespace ddpm
