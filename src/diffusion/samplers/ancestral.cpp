#include <cmath>

#include "rows.h"

namespace ddpm {
namespace {

ops::VarianceChannels channels_for(Variance variance) {
  switch (variance) {
    case Variance::kLearnedRange:
      return ops::VarianceChannels::kRange;
    case Variance::kLearned:
      return ops::VarianceChannels::kItself;
    case Variance::kFixedLarge:
    case Variance::kFixedSmall:
      break;
  }
  return ops::VarianceChannels::kIgnored;
}

void add_noise(ops::SamplerStep& row, const Posterior& q, Variance variance) {
  const bool by_network = channels_for(variance) != ops::VarianceChannels::kIgnored;
  const bool large = variance == Variance::kFixedLarge;
  row.next.z = by_network ? 1 : std::sqrt(large ? q.jump_beta : q.variance);
  row.log_variance_small = std::log(q.variance);
  row.log_variance_large = std::log(q.jump_beta);
}

}  // namespace

SamplerPlan ddpm_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  plan.switches.variance = channels_for(options.variance);
  const std::vector<std::int64_t> grid = grid_of(schedule, options);
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const bool last = i + 1 == grid.size();
    const Posterior q = posterior(schedule, grid[i], last ? -1 : grid[i + 1]);
    ops::SamplerStep row = row_at(schedule, grid[i], options);
    row.next = {.x = q.xt_coefficient, .m0 = q.x0_coefficient};
    if (!last) add_noise(row, q, options.variance);
    plan.steps.push_back(row);
  }
  return plan;
}

}  // namespace ddpm
