#include <algorithm>
#include <cmath>

#include "rows.h"

namespace ddpm {

SamplerPlan ddim_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  const std::vector<std::int64_t> grid = grid_of(schedule, options);
  const std::int64_t end = options.set_alpha_to_one ? -1 : 0;
  const bool changes_image = options.clip_x0 || options.threshold > 0;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const bool last = i + 1 == grid.size();
    const double from = schedule.alpha_bar(grid[i]);
    const double to = schedule.alpha_bar(last ? end : grid[i + 1]);
    const double noise =
        options.eta * std::sqrt((1 - to) / (1 - from) * std::max(0.0, 1 - from / to));
    // x' = sqrt(to) x0 + direction e + noise z. The noise e in x is the predicted one, or follows
    // from the clipped x0: e = (x - sqrt(from) x0) / sqrt(1 - from).
    const double direction = std::sqrt(std::max(0.0, 1 - to - noise * noise));
    ops::SamplerStep row = row_at(schedule, grid[i], options);
    if (changes_image && !options.use_clipped_model_output) {
      const Mixture e = predicted_noise(options.prediction, from);
      row.next = {.x = direction * e.x, .p = direction * e.p, .m0 = std::sqrt(to), .z = noise};
    } else {
      const Mixture e = predicted_noise(Prediction::kImage, from);  // p is the factor of x0
      row.next = {.x = direction * e.x, .m0 = std::sqrt(to) + direction * e.p, .z = noise};
    }
    plan.steps.push_back(row);
  }
  return plan;
}

SamplerPlan ddim_inversion_plan(const NoiseSchedule& schedule, const SamplerOptions& options) {
  SamplerPlan plan = empty_plan(options);
  plan.switches.threshold = 0;
  plan.start_image = 1;
  plan.start_noise = 0;
  std::vector<std::int64_t> grid = grid_of(schedule, options);
  std::ranges::reverse(grid);
  SamplerOptions unclipped = options;
  unclipped.clip_x0 = false;
  double signal = 1, sigma = 0;  // of x
  for (const std::int64_t t : grid) {
    // x = signal x0 + sigma e becomes to_signal x0 + to_sigma e.
    const double to_signal = std::sqrt(schedule.alpha_bar(t)),
                 to_sigma = std::sqrt(1 - schedule.alpha_bar(t));
    const double ratio = to_signal / signal, by_noise = to_sigma - ratio * sigma;
    const Mixture e = predicted_noise(options.prediction, to_signal, to_sigma);
    ops::SamplerStep row = row_at(schedule, t, unclipped);
    row.signal = signal;
    row.sigma = sigma;
    row.next = {.x = ratio + by_noise * e.x, .p = by_noise * e.p};
    plan.steps.push_back(row);
    signal = to_signal;
    sigma = to_sigma;
  }
  return plan;
}

}  // namespace ddpm
