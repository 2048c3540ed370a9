// Solvers that integrate the linear part of the probability flow exactly and the predicted image x0
// as a polynomial of lambda = ln(signal / sigma) through the last steps.
#include <algorithm>
#include <cmath>

#include "rows.h"

namespace ddpm {
namespace {

// The differences (m0 - m1) / r0 and (m1 - m2) / r1 with these coefficients, added to a sum. r is the
// length of an earlier step in lambda, divided by that of this step.
void add_differences(ops::RegisterSum& sum, double d0, double r0, double d1, double r1) {
  sum.m0 += d0 / r0;
  sum.m1 += d1 / r1 - d0 / r0;
  sum.m2 -= d1 / r1;
}

// Step i, of the given order, from visited[i] to visited[i + 1].
ops::RegisterSum multistep(const std::vector<Level>& visited, std::size_t i, int order,
                           bool stochastic) {
  const Level &at = visited[i], &to = visited[i + 1];
  const double h = to.lambda() - at.lambda();
  const double span = stochastic ? 2 * h : h;
  const double decay = std::expm1(-span);  // E; -1 at the clean image
  ops::RegisterSum sum{.x = to.sigma() / at.sigma() * (stochastic ? std::exp(-h) : 1),
                       .m0 = -to.signal() * decay,
                       .z = stochastic ? to.sigma() * std::sqrt(std::max(0.0, -decay)) : 0};
  if (order == 1) return sum;
  const double r0 = (at.lambda() - visited[i - 1].lambda()) / h;
  if (order == 2) {
    add_differences(sum, -0.5 * to.signal() * decay, r0, 0, 1);
    return sum;
  }
  const double r1 = (visited[i - 1].lambda() - visited[i - 2].lambda()) / h;
  const double first = to.signal() * (decay / span + 1);
  const double second = -to.signal() * ((decay + span) / (span * span) - 0.5);
  const double change = (first * r0 + second) / (r0 + r1);  // of the difference itself
  add_differences(sum, first + change, r0, -change, r1);
  return sum;
}

// The last step reaches the clean image, where lambda is infinite, so it has order 1. The step before
// it has at most order 2 if there are few, those included that are left out.
int order_of(std::size_t i, std::size_t steps, std::size_t skipped, int most) {
  constexpr std::size_t kFew = 15;
  if (i + 1 == steps) return 1;
  if (i + 2 == steps && steps + skipped < kFew) most = std::min(most, 2);
  return std::min(static_cast<int>(i) + 1, most);
}

SamplerPlan dpm_solver_plan(const NoiseSchedule& schedule, const SamplerOptions& options, int order,
                            bool stochastic) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kSolver);
  const std::size_t steps = visited.size() - 1;
  for (std::size_t i = 0; i < steps; ++i) {
    ops::SamplerStep row = row_at(visited[i], options);
    const auto skipped = static_cast<std::size_t>(options.skip);
    row.next = multistep(visited, i, order_of(i, steps, skipped, order), stochastic);
    plan.steps.push_back(row);
  }
  return plan;
}

}  // namespace

SamplerPlan dpm_solver_2m_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return dpm_solver_plan(schedule, options, 2, /*stochastic=*/false);
}

SamplerPlan dpm_solver_3m_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return dpm_solver_plan(schedule, options, 3, /*stochastic=*/false);
}

SamplerPlan dpm_solver_2m_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return dpm_solver_plan(schedule, options, 2, /*stochastic=*/true);
}

SamplerPlan dpm_solver_3m_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return dpm_solver_plan(schedule, options, 3, /*stochastic=*/true);
}

}  // namespace ddpm
