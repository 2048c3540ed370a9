#include <algorithm>
#include <cmath>

#include "ddpm/diffusion/time_grid.h"
#include "rows.h"

namespace ddpm {
namespace {

constexpr std::int64_t kTrainedTimesteps = 50;  // of latent consistency models

// The timesteps of the steps; see lcm_plan.
std::vector<std::int64_t> consistency_grid(const NoiseSchedule& schedule,
                                           const SamplerOptions& options) {
  if (!options.timesteps.empty()) return options.timesteps;
  const std::int64_t all = schedule.timesteps(), trained = std::min(kTrainedTimesteps, all);
  const std::int64_t steps = options.steps == 0 ? all : options.steps;
  if (steps < 1 || steps > trained) return time_grid(schedule, steps, Spacing::kTrailing);
  const double stride = static_cast<double>(trained) / static_cast<double>(steps);
  std::vector<std::int64_t> grid;
  for (std::int64_t i = 0; i < steps; ++i) {
    const auto left_out = static_cast<std::int64_t>(static_cast<double>(i) * stride);
    grid.push_back((trained - left_out) * (all / trained) - 1);
  }
  return grid;
}

}  // namespace

// The image is c_skip x + c_out x0, where the factors make it x itself at t = 0.
SamplerPlan lcm_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  constexpr double kTimeScale = 10, kDataDeviation = 0.5;
  SamplerPlan plan = empty_plan(options);
  std::vector<std::int64_t> grid = consistency_grid(schedule, options);
  grid.erase(grid.begin(), grid.begin() + options.skip);
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const bool last = i + 1 == grid.size();
    const double scaled_time = kTimeScale * static_cast<double>(grid[i]);
    const double deviation = std::hypot(scaled_time, kDataDeviation);
    const double to = schedule.alpha_bar(last ? -1 : grid[i + 1]);
    ops::SamplerStep row = row_at(schedule, grid[i], options);
    row.keep_x = kDataDeviation * kDataDeviation / (deviation * deviation);
    row.keep_x0 = scaled_time / deviation;
    row.next = {.m0 = std::sqrt(to), .z = std::sqrt(1 - to)};
    plan.steps.push_back(row);
  }
  return plan;
}

}  // namespace ddpm
