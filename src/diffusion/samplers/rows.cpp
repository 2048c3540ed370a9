#include "rows.h"

#include <algorithm>
#include <cmath>

#include "ddpm/diffusion/time_grid.h"

namespace ddpm {
namespace {

// The least divisor. At the end of a long process the image's share is so small that its inverse
// overflows float32. The limit loses nothing: such an x0 is far outside the range of the data.
constexpr double kLeastSignal = 1e-30;

// A row with the time and how x0 is computed and clipped.
ops::SamplerStep begin_row(double time, double signal, double sigma,
                           const SamplerOptions& options) {
  const Mixture image = predicted_image(options.prediction, signal, sigma);
  ops::SamplerStep row{
      .signal = signal, .sigma = sigma, .time = time, .from_x = image.x, .from_p = image.p};
  if (options.clip_x0 && options.threshold == 0) {
    row.minimum = options.minimum;
    row.maximum = options.maximum;
  }
  return row;
}

}  // namespace

Mixture predicted_image(Prediction prediction, double signal, double sigma) {
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

Mixture predicted_noise(Prediction prediction, double signal, double sigma) {
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

Mixture predicted_image(Prediction prediction, double alpha_bar) {
  return predicted_image(prediction, std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar));
}

Mixture predicted_noise(Prediction prediction, double alpha_bar) {
  return predicted_noise(prediction, std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar));
}

std::vector<std::int64_t> whole_grid(const NoiseSchedule& schedule, const SamplerOptions& options) {
  if (!options.timesteps.empty()) return options.timesteps;
  return time_grid(schedule, options.steps == 0 ? schedule.timesteps() : options.steps,
                   options.spacing, options.steps_offset);
}

std::vector<std::int64_t> grid_of(const NoiseSchedule& schedule, const SamplerOptions& options) {
  std::vector<std::int64_t> grid = whole_grid(schedule, options);
  grid.erase(grid.begin(), grid.begin() + options.skip);
  return grid;
}

SamplerPlan empty_plan(const SamplerOptions& options) {
  return {.switches = {.threshold = options.threshold, .threshold_max = options.threshold_max}};
}

ops::SamplerStep row_at(const NoiseSchedule& schedule, std::int64_t t,
                        const SamplerOptions& options) {
  const double alpha_bar = schedule.alpha_bar(t);
  return begin_row(static_cast<double>(t), std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar), options);
}

ops::SamplerStep row_at(const Level& level, const SamplerOptions& options) {
  return begin_row(level.time, level.signal(), level.sigma(), options);
}

void keep_noise(ops::SamplerStep& row, const Level& level, const SamplerOptions& options) {
  const bool clipped = options.clip_x0 || options.threshold > 0;
  const Mixture e = predicted_noise(clipped ? Prediction::kImage : options.prediction,
                                    level.signal(), level.sigma());
  row.keep_x = e.x;
  row.keep_x0 = clipped ? e.p : 0;
  row.keep_p = clipped ? 0 : e.p;
}

ops::RegisterSum scaled(const ops::RegisterSum& sum, double factor) {
  return {.x = factor * sum.x,
          .s = factor * sum.s,
          .p = factor * sum.p,
          .m0 = factor * sum.m0,
          .m1 = factor * sum.m1,
          .m2 = factor * sum.m2,
          .m3 = factor * sum.m3,
          .z = factor * sum.z};
}

void scale_start(SamplerPlan& plan, double factor) {
  ops::SamplerStep& row = plan.steps.front();
  row.input_scale = factor;
  for (double* by_x : {&row.from_x, &row.keep_x, &row.next.x, &row.kept.x}) *by_x *= factor;
}

}  // namespace ddpm
