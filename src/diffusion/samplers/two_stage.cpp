#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "rows.h"

namespace ddpm {
namespace {

// The image A x0 + B e without noise of its own, at the noise level of `to`: signal' (A x0 + B e),
// where x0 is the clipped image in m0 and e = (x - signal x0) / sigma the noise that it implies.
ops::RegisterSum mixture(const Level& at, const Level& to, double image, double noise) {
  return {.x = to.signal() * noise / at.sigma(), .m0 = to.signal() * (image - noise / at.kappa)};
}

// A step to a lower level than `to`, from which new noise leads up to it: up^2 + down^2 = to.kappa^2.
struct Ancestral {
  double down, up;
};
Ancestral ancestral(const Level& at, const Level& to) {
  const double ratio = to.kappa / at.kappa;
  return {.down = std::min(to.kappa, to.kappa * ratio),
          .up = to.kappa * std::sqrt(std::max(0.0, 1 - ratio * ratio))};
}

// The levels at which steps begin, once churn has raised those that were reached. The last level, the
// clean image, is never raised.
class ChurnedLevels {
 public:
  ChurnedLevels(const NoiseSchedule& schedule, const std::vector<Level>& reached,
                const Churn& churn)
      : reached_(reached), levels_(reached), noise_(churn.noise) {
    if (churn.amount == 0) return;
    const std::vector<double> table = kappas(schedule);
    const double share =
        std::min(churn.amount / static_cast<double>(reached.size() - 1), std::numbers::sqrt2 - 1);
    for (Level& level : levels_) {
      const bool inside =
          level.kappa >= churn.low && (churn.high == 0 || level.kappa <= churn.high);
      if (level.kappa == 0 || !inside) continue;
      level.kappa *= 1 + share;
      level.time = time_of(table, level.kappa);
    }
  }

  const Level& operator[](std::size_t i) const { return levels_[i]; }

  // The sum that has reached level i, and then churn's noise.
  ops::RegisterSum raised(const ops::RegisterSum& sum, std::size_t i) const {
    ops::RegisterSum result = scaled(sum, levels_[i].signal() / reached_[i].signal());
    result.z += levels_[i].signal() * std::sqrt(added_variance(i));
    return result;
  }

  // diffusers draws the first image with the noise but without the signal of the first level, unless the
  // spacing is leading or there is a picture. Churn's first noise is drawn with it.
  SamplerPlan started(SamplerPlan plan, const SamplerOptions& options) const {
    const Level& first = reached_.front();
    const double added = added_variance(0), own = first.kappa * first.kappa;
    if (options.from_picture && added > 0)
      plan.start_noise = std::sqrt(own + added) / levels_.front().kappa;
    else if (options.from_picture)
      return plan;
    else if (added > 0)
      scale_start(plan,
                  levels_.front().signal() *
                      std::sqrt(own + added + (options.spacing == Spacing::kLeading ? 1 : 0)));
    else if (options.spacing != Spacing::kLeading)
      scale_start(plan, first.sigma());
    return plan;
  }

 private:
  // Of y = x / signal.
  double added_variance(std::size_t i) const {
    const double from = reached_[i].kappa, to = levels_[i].kappa;
    return noise_ * noise_ * (to - from) * (to + from);
  }

  const std::vector<Level>& reached_;
  std::vector<Level> levels_;
  double noise_;
};

SamplerPlan started(SamplerPlan plan, const NoiseSchedule& schedule,
                    const std::vector<Level>& visited, const SamplerOptions& options) {
  return ChurnedLevels(schedule, visited, {}).started(std::move(plan), options);
}

// y' = y + (kappa' - kappa) e2, where e2 is the noise that the network sees at the end of Euler's step
// to the geometric mean of both kappas. An ancestral step goes lower than kappa', and adds noise.
SamplerPlan midpoint_plan(const NoiseSchedule& schedule, const SamplerOptions& options,
                          bool is_ancestral) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<double> table = kappas(schedule);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    const Ancestral part = is_ancestral ? ancestral(at, to) : Ancestral{.down = to.kappa, .up = 0};
    ops::SamplerStep first = row_at(at, options);
    if (options.sigmas == SigmaSpacing::kKarras) first.time = std::nearbyint(first.time);
    const double kappa = std::sqrt(at.kappa * part.down);
    const Level middle{.time = kappa > 0 ? time_of(table, kappa) : 0, .kappa = kappa};
    first.next = mixture(at, middle, 1, middle.kappa);
    if (to.kappa == 0) {
      plan.steps.push_back(first);
      break;
    }
    first.kept.x = to.signal() / at.signal();  // y
    ops::SamplerStep second = row_at(middle, options);
    second.next = mixture(middle, to, 0, part.down - at.kappa);
    second.next.s = 1;
    second.next.z = to.signal() * part.up;
    plan.steps.insert(plan.steps.end(), {first, second});
  }
  return started(std::move(plan), schedule, visited, options);
}

}  // namespace

SamplerPlan euler_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  const ChurnedLevels from(schedule, visited, options.churn);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level& to = visited[i + 1];
    ops::SamplerStep row = row_at(from[i], options);
    row.next = from.raised(mixture(from[i], to, 1, to.kappa), i + 1);
    plan.steps.push_back(row);
  }
  return from.started(std::move(plan), options);
}

SamplerPlan euler_ancestral_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    const Ancestral part = ancestral(at, to);
    ops::SamplerStep row = row_at(at, options);
    row.next = mixture(at, to, 1, part.down);
    row.next.z = to.signal() * part.up;
    plan.steps.push_back(row);
  }
  return started(std::move(plan), schedule, visited, options);
}

// With y = x / signal a step goes from (y, kappa) to y' = y + (kappa' - kappa) (e1 + e2) / 2, where e2
// is the noise that the network sees at the end of Euler's step.
SamplerPlan heun_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  const ChurnedLevels from(schedule, visited, options.churn);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = from[i], &to = visited[i + 1];
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
    second.next = from.raised(second.next, i + 1);
    plan.steps.insert(plan.steps.end(), {first, second});
  }
  return from.started(std::move(plan), options);
}

SamplerPlan dpm2_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return midpoint_plan(schedule, options, /*is_ancestral=*/false);
}

SamplerPlan dpm2_ancestral_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  return midpoint_plan(schedule, options, /*is_ancestral=*/true);
}

// Both parts of a step are ancestral: from y to the geometric mean of both kappas, and, with the image
// predicted there, from y again to kappa'. Their noises are increments of one Brownian motion over
// kappa, as in k-diffusion: that of the whole step is the sum of those of its halves, so s carries the
// noise of the first half.
SamplerPlan dpm_solver_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<double> table = kappas(schedule);
  const std::vector<Level> visited = levels(schedule, options, TimeFamily::kFractional);
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    const Level &at = visited[i], &to = visited[i + 1];
    ops::SamplerStep first = row_at(at, options);
    if (to.kappa == 0) {
      first.next.m0 = 1;
      plan.steps.push_back(first);
      break;
    }
    const double kappa = std::sqrt(at.kappa * to.kappa);
    const Level middle{.time = time_of(table, kappa), .kappa = kappa};
    const Ancestral half = ancestral(at, middle), whole = ancestral(at, to);
    first.next = mixture(at, middle, 1, half.down);
    first.next.z = middle.signal() * half.up;
    // y' = kept y + (1 - kept) x0 + up (earlier z1 + later z2), with earlier^2 = (at - middle) / (at - to)
    const double kept = whole.down / at.kappa;
    const double roots = std::sqrt(at.kappa) + std::sqrt(to.kappa);
    const double earlier = std::sqrt(std::sqrt(at.kappa) / roots),
                 later = std::sqrt(std::sqrt(to.kappa) / roots);
    first.kept = scaled({.x = kept / at.signal(), .z = whole.up * earlier}, to.signal());
    ops::SamplerStep second = row_at(middle, options);
    second.next = scaled({.m0 = 1 - kept, .z = whole.up * later}, to.signal());
    second.next.s = 1;
    plan.steps.insert(plan.steps.end(), {first, second});
  }
  return started(std::move(plan), schedule, visited, options);
}

}  // namespace ddpm
