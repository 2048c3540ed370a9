#include "rows.h"

#include <algorithm>
#include <cmath>

namespace ddpm {
namespace {

// The least divisor. At the end of a long process the image's share is so small that its inverse
// overflows float32. The limit loses nothing: such an x0 is far outside the range of the data.
constexpr double kLeastSignal = 1e-30;

}  // namespace

Mixture predicted_image(Prediction prediction, double alpha_bar) {
  const double signal = std::sqrt(alpha_bar), sigma = std::sqrt(1 - alpha_bar);
  switch (prediction) {
    case Prediction::kNoise: {
      const double divisor = std::max(signal, kLeastSignal);
      return {.x = 1 / divisor, .p = -sigma / divisor};
    }
    case Prediction::kVelocity:
      return {.x = signal, .p = -sigma};
    case Prediction::kImage:
      return {.p = 1};
  }
  return {};
}

Mixture predicted_noise(Prediction prediction, double alpha_bar) {
  const double signal = std::sqrt(alpha_bar), sigma = std::sqrt(1 - alpha_bar);
  switch (prediction) {
    case Prediction::kNoise:
      return {.p = 1};
    case Prediction::kVelocity:
      return {.x = sigma, .p = signal};
    case Prediction::kImage:
      return {.x = 1 / sigma, .p = -signal / sigma};
  }
  return {};
}

std::vector<std::int64_t> grid_of(const NoiseSchedule& schedule, const SamplerOptions& options) {
  const std::int64_t all = schedule.timesteps();
  return time_grid(all, options.steps == 0 ? all : options.steps, options.spacing,
                   options.steps_offset);
}

SamplerPlan empty_plan(const SamplerOptions& options) {
  return {.switches = {.threshold = options.threshold, .threshold_max = options.threshold_max}};
}

ops::SamplerStep row_at(const NoiseSchedule& schedule, std::int64_t t,
                        const SamplerOptions& options) {
  const Mixture image = predicted_image(options.prediction, schedule.alpha_bar(t));
  ops::SamplerStep row{.time = static_cast<double>(t), .from_x = image.x, .from_p = image.p};
  if (options.clip_x0 && options.threshold == 0) {
    row.minimum = options.minimum;
    row.maximum = options.maximum;
  }
  return row;
}

}  // namespace ddpm
