#include "ddpm/config/samplers.h"

#include <gtest/gtest.h>

#include "config_error.h"

namespace ddpm {
namespace {

std::string error_for(std::string_view name) {
  return config_error([&] { static_cast<void>(find_sampler(name)); });
}

TEST(Samplers, AreFoundByTheirNamesAndThoseOfDiffusers) {
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    EXPECT_EQ(find_sampler(name_of(kind)).kind, kind);
    const std::string_view scheduler = facts_of(kind).scheduler;
    if (scheduler.empty()) continue;
    EXPECT_EQ(find_sampler(scheduler).kind, kind) << scheduler;
  }
  EXPECT_EQ(find_sampler("DPMSolverMultistepScheduler").kind, SamplerKind::kDpmSolver2m);
  EXPECT_EQ(find_sampler("PNDMScheduler").kind, SamplerKind::kPlms);
}

TEST(Samplers, AreFoundByTheNamesOfWebuiWithTheirNoiseLevels) {
  const NamedSampler karras = find_sampler("DPM++ 2M Karras");
  EXPECT_EQ(karras.kind, SamplerKind::kDpmSolver2m);
  EXPECT_EQ(karras.sigmas, SigmaSpacing::kKarras);
  EXPECT_EQ(find_sampler("euler A").kind, SamplerKind::kEulerAncestral);
  EXPECT_EQ(find_sampler("Euler a").sigmas, std::nullopt);
  EXPECT_EQ(find_sampler("DPM2 a").kind, SamplerKind::kDpm2Ancestral);
  EXPECT_EQ(find_sampler("DPM++ SDE Karras").kind, SamplerKind::kDpmSolverSde);
  EXPECT_EQ(find_sampler("DPM++ 3M SDE").kind, SamplerKind::kDpmSolver3mSde);
  EXPECT_EQ(find_sampler("LCM").kind, SamplerKind::kLcm);
  const NamedSampler sde = find_sampler("DPM++ 2M SDE Exponential");
  EXPECT_EQ(sde.kind, SamplerKind::kDpmSolver2mSde);
  EXPECT_EQ(sde.sigmas, SigmaSpacing::kExponential);
  EXPECT_EQ(
      error_for("DPM++ 2N Karras"),
      "--sampler: unknown 'DPM++ 2N Karras'; choose from ddpm, ddim, euler, euler-a, heun, dpm2, "
      "dpm2-a, lms, ipndm, plms, deis, dpm++2m, dpm++3m, dpm++2m-sde, dpm++3m-sde, dpm++sde, unipc, "
      "lcm; --list-samplers describes them");
}

TEST(Samplers, OtherNamesAreRefusedWithTheNearest) {
  EXPECT_EQ(error_for("dpm+2m"), "--sampler: unknown 'dpm+2m'; did you mean 'dpm++2m'?");
  EXPECT_EQ(error_for("best"),
            "--sampler: unknown 'best'; choose from ddpm, ddim, euler, euler-a, heun, "
            "dpm2, dpm2-a, lms, ipndm, plms, deis, dpm++2m, dpm++3m, dpm++2m-sde, dpm++3m-sde, "
            "dpm++sde, unipc, lcm; --list-samplers describes them");
}

TEST(Samplers, AreListedInALineEach) {
  const std::string list = list_of_samplers();
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    EXPECT_FALSE(facts_of(kind).when.empty()) << name_of(kind);
    const std::string line = "\n" + std::string(name_of(kind)) + " ";
    EXPECT_NE(list.find(line), std::string::npos) << list;
  }
}

TEST(WithSampler, LeavesNothingOfTheOneBefore) {
  SamplingConfig sampling{.sampler = SamplerKind::kHeun, .steps = 7};
  sampling.timesteps = {9, 5, 0};
  sampling.sigmas = SigmaSpacing::kKarras;
  sampling.churn = 3;
  sampling.eta = 0.5;
  sampling.count = 11;
  const SamplingConfig other = with_sampler(sampling, SamplerKind::kDdpm, 20);
  EXPECT_EQ(other.sampler, SamplerKind::kDdpm);
  EXPECT_EQ(step_count(other, 1000), 20);
  EXPECT_EQ(other.sigmas, SigmaSpacing::kSchedule);
  EXPECT_EQ(other.churn, 0);
  EXPECT_EQ(other.eta, 0);
  EXPECT_EQ(other.count, 11);
}

}  // namespace
}  // namespace ddpm
