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

}  // namespace ddpm
