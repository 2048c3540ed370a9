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
    EXPECT_EQ(find_sampler(name_of(kind)), kind);
    const std::string_view scheduler = facts_of(kind).scheduler;
    if (scheduler.empty()) continue;
    EXPECT_EQ(find_sampler(scheduler), kind) << scheduler;
  }
  EXPECT_EQ(find_sampler("DPMSolverMultistepScheduler"), SamplerKind::kDpmSolver2m);
  EXPECT_EQ(find_sampler("PNDMScheduler"), SamplerKind::kPlms);
}

TEST(Samplers, OtherNamesAreRefusedWithTheNearest) {
  EXPECT_EQ(error_for("dpm+2m"), "--sampler: unknown 'dpm+2m'; did you mean 'dpm++2m'?");
  EXPECT_EQ(error_for("best"),
            "--sampler: unknown 'best'; choose from ddpm, ddim, euler, euler-a, heun, "
            "dpm2, lms, ipndm, plms, deis, dpm++2m, dpm++3m, dpm++2m-sde, unipc; --list-samplers "
            "describes them");
}

TEST(Samplers, AreListedInALineEach) {
  const std::string list = list_of_samplers();
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    EXPECT_FALSE(facts_of(kind).when.empty()) << name_of(kind);
    const std::string line = "\n" + std::string(name_of(kind)) + " ";
    EXPECT_NE(list.find(line), std::string::npos) << list;
  }
}

}  // namespace
}  // namespace ddpm
