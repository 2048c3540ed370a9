#include "levels.h"

#include <algorithm>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/diffusion/time_grid.h"
#include "rows.h"

namespace ddpm {
namespace {

constexpr double kSignalAtTheEnd = 0x1p-24;  // alpha_bar instead of 0
constexpr double kLeastAlphaBar = 1e-60;

double interpolate(const std::vector<double>& table, double time) {
  const auto low = static_cast<std::size_t>(time);
  if (low + 1 >= table.size()) return table.back();
  return table[low] + (table[low + 1] - table[low]) * (time - static_cast<double>(low));
}

std::vector<double> times_of(const NoiseSchedule& schedule, const SamplerOptions& options,
                             TimeFamily family) {
  std::vector<std::int64_t> grid = whole_grid(schedule, options);
  const std::size_t steps = grid.size();
  const std::int64_t all = schedule.timesteps();
  const bool trailing = options.spacing == Spacing::kTrailing;
  if (family == TimeFamily::kSolver && !trailing && options.timesteps.empty() &&
      std::cmp_less(steps, all)) {
    grid = time_grid(schedule, static_cast<std::int64_t>(steps) + 1, options.spacing,
                     options.steps_offset);
    grid.pop_back();
  }
  std::vector<double> times(grid.begin(), grid.end());
  if (!options.timesteps.empty()) return times;
  if (family == TimeFamily::kFractional && options.spacing == Spacing::kLinspace && steps > 1)
    for (std::size_t i = 0; i < steps; ++i)
      times[i] = static_cast<double>(all - 1) * static_cast<double>(steps - 1 - i) /
                 static_cast<double>(steps - 1);
  return times;
}

// Value i of `count` from first to last: their 7th roots (Karras et al., "Elucidating the Design
// Space", equation 5), or their logarithms are evenly spaced.
double between(double first, double last, std::size_t i, std::size_t count, SigmaSpacing sigmas) {
  const double share = count == 1 ? 0 : static_cast<double>(i) / static_cast<double>(count - 1);
  if (sigmas == SigmaSpacing::kExponential)
    return std::exp(std::log(first) + share * (std::log(last) - std::log(first)));
  constexpr double kRho = 7;
  const double a = std::pow(first, 1 / kRho), b = std::pow(last, 1 / kRho);
  return std::pow(a + share * (b - a), kRho);
}

struct Range {
  double first, last;
};

// The levels between which the options say that the steps are; `whole` are those of the process, and
// `visited` those of a family without limits. Throws ConfigError if they do not descend.
Range limited(const SamplerOptions& options, Range whole, Range visited, std::size_t steps) {
  if (options.sigma_max > 0) visited.first = std::min(options.sigma_max, whole.first);
  if (options.sigma_min > 0) visited.last = std::max(options.sigma_min, whole.last);
  if (steps > 1 && visited.first <= visited.last)
    throw ConfigError(format_text(
        "sampling.sigma_min = {} and sampling.sigma_max = {}: the noise levels of {} steps would go from {:.3g} "
        "to {:.3g}, but must descend",
        options.sigma_min, options.sigma_max, steps, visited.first, visited.last));
  return visited;
}

double told_time(double time, TimeFamily family, SigmaSpacing sigmas) {
  if (family != TimeFamily::kSolver) return time;
  return sigmas == SigmaSpacing::kKarras ? std::nearbyint(time) : std::trunc(time);
}

}  // namespace

std::vector<double> kappas(const NoiseSchedule& schedule) {
  std::vector<double> list;
  for (double alpha_bar : schedule.alpha_bars()) {
    const bool is_last = list.size() + 1 == schedule.alpha_bars().size();
    if (alpha_bar == 0 && is_last) alpha_bar = kSignalAtTheEnd;
    if (alpha_bar < kLeastAlphaBar)
      throw ConfigError(format_text(
          "the diffusion process has so much noise at timestep {} (alpha_bar = {:.1e}) that only "
          "the samplers ddpm and ddim can begin there",
          list.size(), alpha_bar));
    list.push_back(std::sqrt((1 - alpha_bar) / alpha_bar));
  }
  return list;
}

// Linear in ln kappa between the last timestep whose kappa is not above it, and the next one. The last
// kappa may lie below others, where 2^-24 replaces an alpha_bar of 0.
double time_of(const std::vector<double>& kappas, double kappa) {
  if (kappas.size() == 1) return 0;
  const auto end = kappas.end() - 1;
  const auto above = kappas.back() <= kappa ? end : std::upper_bound(kappas.begin(), end, kappa);
  const std::ptrdiff_t low = std::max<std::ptrdiff_t>(above - kappas.begin() - 1, 0);
  const double a = std::log(kappas[static_cast<std::size_t>(low)]);
  const double b = std::log(kappas[static_cast<std::size_t>(low) + 1]);
  return static_cast<double>(low) + std::clamp((std::log(kappa) - a) / (b - a), 0.0, 1.0);
}

std::vector<Level> levels(const NoiseSchedule& schedule, const SamplerOptions& options,
                          TimeFamily family) {
  const std::vector<double> table = kappas(schedule), times = times_of(schedule, options, family);
  std::vector<Level> list;
  for (const double time : times) list.push_back({.time = time, .kappa = interpolate(table, time)});
  if (options.sigmas != SigmaSpacing::kSchedule) {
    const Range whole{table.back(), table.front()};
    const Range visited =
        family == TimeFamily::kSolver ? whole : Range{list.front().kappa, list.back().kappa};
    const auto [first, last] = limited(options, whole, visited, list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i].kappa = between(first, last, i, list.size(), options.sigmas);
      list[i].time = told_time(time_of(table, list[i].kappa), family, options.sigmas);
    }
  }
  list.erase(list.begin(), list.begin() + options.skip);
  list.push_back({});
  return list;
}

}  // namespace ddpm
