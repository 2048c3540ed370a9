#include <algorithm>
#include <cmath>
#include <utility>

#include "rows.h"

namespace ddpm {
namespace {

// The image A x0 + B e without noise of its own, at the noise level of `to`: signal' (A x0 + B e),
// where x0 is the clipped image in m0 and e = (x - signal x0) / sigma the noise that it implies.
ops::RegisterSum mixture(const Level& at, const Level& to, double image, double noise) {
  return {.x = to.signal() * noise / at.sigma(), .m0 = to.signal() * (image - noise / at.kappa)};
}

// diffusers draws the first image with the noise but without the signal of the first level, unless
// the spacing is leading or there is a picture.
SamplerPlan started(SamplerPlan plan, const Level& first, const SamplerOptions& options) {
  if (options.spacing != Spacing::kLeading && !options.from_picture)
    scale_start(plan, first.sigma());
  return plan;
}

}  // namespace

SamplerPlan euler_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    ops::SamplerStep row = row_at(visited[i], options);
    row.next = mixture(visited[i], visited[i + 1], 1, visited[i + 1].kappa);
    plan.steps.push_back(row);
  }
  return started(std::move(plan), visited.front(), options);
}

SamplerPlan euler_ancestral_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    // kappa falls to `down` and rises again by the noise `up`: up^2 + down^2 = to.kappa^2.
    const double ratio = to.kappa / at.kappa;
    const double up = to.kappa * std::sqrt(std::max(0.0, 1 - ratio * ratio));
    const double down = std::min(to.kappa, to.kappa * ratio);
    ops::SamplerStep row = row_at(at, options);
    row.next = mixture(at, to, 1, down);
    row.next.z = to.signal() * up;
    plan.steps.push_back(row);
  }
  return started(std::move(plan), visited.front(), options);
}

// With y = x / signal a step goes from (y, kappa) to y' = y + (kappa' - kappa) (e1 + e2) / 2, where e2
// is the noise that the network sees at the end of Euler's step.
SamplerPlan heun_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    ops::SamplerStep first = row_at(at, options);
    first.next = mixture(at, to, 1, to.kappa);
    if (to.kappa == 0) {  // Euler's step to the clean image
      plan.steps.push_back(first);
      break;
    }
    const double half = (to.kappa - at.kappa) / 2;
    first.kept = mixture(at, to, 1, at.kappa + half);  // y + half e1 = x0 + (kappa + half) e1
    ops::SamplerStep second = row_at(to, options);
    second.next = mixture(to, to, 0, half);
    second.next.s = 1;
    plan.steps.insert(plan.steps.end(), {first, second});
  }
  return started(std::move(plan), visited.front(), options);
}

// y' = y + (kappa' - kappa) e2, where e2 is the noise that the network sees at the end of Euler's step
// to the geometric mean of both kappas.
SamplerPlan dpm2_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<double> table = kappas(schedule);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    ops::SamplerStep first = row_at(at, options);
    if (options.sigmas == SigmaSpacing::kKarras) first.time = std::nearbyint(first.time);
    const double kappa = std::sqrt(at.kappa * to.kappa);
    const Level middle{.time = kappa > 0 ? time_of(table, kappa) : 0, .kappa = kappa};
    first.next = mixture(at, middle, 1, middle.kappa);
    if (to.kappa == 0) {
      plan.steps.push_back(first);
      break;
    }
    first.kept.x = to.signal() / at.signal();  // y
    ops::SamplerStep second = row_at(middle, options);
    second.next = mixture(middle, to, 0, to.kappa - at.kappa);
    second.next.s = 1;
    plan.steps.insert(plan.steps.end(), {first, second});
  }
  return started(std::move(plan), visited.front(), options);
}

}  // namespace ddpm
