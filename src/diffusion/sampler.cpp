#include "ddpm/diffusion/sampler.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/config/samplers.h"

namespace ddpm {

SamplerNeeds needs_of(const SamplerPlan& plan) {
  SamplerNeeds needs;
  for (const ops::SamplerStep& row : plan.steps) {
    needs.second_image |= row.next.s != 0;
    needs.scaled_input |= row.input_scale != 1;
    needs.guidance |= row.guidance != 1;
  }
  const auto add = [&](const ops::RegisterSum& sum) {
    needs.noise |= sum.z != 0;
    const std::size_t oldest = sum.m3 != 0 ? 3 : sum.m2 != 0 ? 2 : sum.m1 != 0 ? 1 : 0;
    needs.history = std::max(needs.history, oldest);
  };
  for (const ops::SamplerStep& row : plan.steps) {
    add(row.next);
    if (needs.second_image) add(row.kept);
  }
  return needs;
}

namespace {

SamplerPlan table_of(SamplerKind kind, const NoiseSchedule& schedule,
                     const SamplerOptions& options) {
  if (options.sigmas != SigmaSpacing::kSchedule && !facts_of(kind).takes_sigmas)
    throw ConfigError(format_text(
        "sampling.sigmas = \"{}\": the sampler {} visits timesteps and takes their noise levels",
        options.sigmas, kind));
  switch (kind) {
    case SamplerKind::kDdpm:
      return ddpm_plan(schedule, options);
    case SamplerKind::kDdim:
      return ddim_plan(schedule, options);
    case SamplerKind::kEuler:
      return euler_plan(schedule, options);
    case SamplerKind::kEulerAncestral:
      return euler_ancestral_plan(schedule, options);
    case SamplerKind::kHeun:
      return heun_plan(schedule, options);
    case SamplerKind::kDpm2:
      return dpm2_plan(schedule, options);
    case SamplerKind::kDpm2Ancestral:
      return dpm2_ancestral_plan(schedule, options);
    case SamplerKind::kLms:
      return lms_plan(schedule, options);
    case SamplerKind::kIpndm:
      return ipndm_plan(schedule, options);
    case SamplerKind::kPlms:
      return plms_plan(schedule, options);
    case SamplerKind::kDeis:
      return deis_plan(schedule, options);
    case SamplerKind::kDpmSolver2m:
      return dpm_solver_2m_plan(schedule, options);
    case SamplerKind::kDpmSolver3m:
      return dpm_solver_3m_plan(schedule, options);
    case SamplerKind::kDpmSolver2mSde:
      return dpm_solver_2m_sde_plan(schedule, options);
    case SamplerKind::kDpmSolver3mSde:
      return dpm_solver_3m_sde_plan(schedule, options);
    case SamplerKind::kDpmSolverSde:
      return dpm_solver_sde_plan(schedule, options);
    case SamplerKind::kUnipc:
      return unipc_plan(schedule, options);
    case SamplerKind::kLcm:
      return lcm_plan(schedule, options);
  }
  return {};
}

}  // namespace

SamplerPlan sampler_plan(SamplerKind kind, const NoiseSchedule& schedule,
                         const SamplerOptions& options) {
  SamplerPlan plan = table_of(kind, schedule, options);
  if (options.from_picture) {
    plan.start_image = plan.steps.front().signal;
    plan.start_noise *= plan.steps.front().sigma;
  }
  return plan;
}

}  // namespace ddpm
