#include "ddpm/diffusion/sampler.h"

#include <algorithm>

namespace ddpm {

SamplerNeeds needs_of(const SamplerPlan& plan) {
  SamplerNeeds needs;
  for (const ops::SamplerStep& row : plan.steps) {
    needs.second_image |= row.next.s != 0;
    needs.scaled_input |= row.input_scale != 1;
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

SamplerPlan sampler_plan(SamplerKind kind, const NoiseSchedule& schedule,
                         const SamplerOptions& options) {
  switch (kind) {
    case SamplerKind::kDdpm:
      return ddpm_plan(schedule, options);
    case SamplerKind::kDdim:
      return ddim_plan(schedule, options);
  }
  return {};
}

}  // namespace ddpm
