#include "ddpm/diffusion/objective.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

// The factor of the squared error of the image.
double weight_of_image(const TrainingConfig& training, double snr) {
  constexpr double kDataDeviation = 0.5;  // of pixels in [-1, 1] (Karras et al.)
  switch (training.loss_weight) {
    case LossWeight::kUniform:
      break;
    case LossWeight::kMinSnr:
      return std::min(snr, training.min_snr_gamma);
    case LossWeight::kP2:
      return snr / std::pow(1 + snr, training.p2_gamma);
    case LossWeight::kEdm:
      return snr + 1 / (kDataDeviation * kDataDeviation);
  }
  return 1;
}

double weight(const TrainingConfig& training, Prediction prediction, double snr) {
  if (snr == 0 && training.loss_weight == LossWeight::kMinSnr) return 1;
  const double image = weight_of_image(training, snr);
  switch (prediction) {
    case Prediction::kNoise:
      return image / snr;
    case Prediction::kVelocity:
      return image / (snr + 1);
    case Prediction::kImage:
      return image;
  }
  return image;
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

}  // namespace

Objective objective_of(const DiffusionConfig& diffusion, const TrainingConfig& training) {
  return {.prediction = diffusion.prediction_type,
          .loss = training.loss,
          .huber_delta = training.huber_delta,
          .weights = loss_weights(diffusion, training)};
}

std::vector<double> loss_weights(const DiffusionConfig& diffusion, const TrainingConfig& training) {
  if (training.loss_weight == LossWeight::kUniform) return {};
  const NoiseSchedule schedule(diffusion);
  std::vector<double> weights;
  for (const double a : schedule.alpha_bars())
    weights.push_back(weight(training, diffusion.prediction_type, a / (1 - a)));
  return weights;
}

std::vector<std::int64_t> log_normal_timesteps(const DiffusionConfig& diffusion,
                                               const TrainingConfig& training, std::int64_t count) {
  const NoiseSchedule schedule(diffusion);
  const auto level = [](double alpha_bar) { return std::log((1 - alpha_bar) / alpha_bar) / 2; };
  std::vector<double> levels;  // in standard deviations from the mean, ascending
  for (const double a : schedule.alpha_bars())
    levels.push_back((level(a) - training.log_normal_mean) / training.log_normal_deviation);
  constexpr double kFar = 8;
  if (levels.front() > kFar || levels.back() < -kFar)
    throw ConfigError(format_text(
        "config: training.log_normal_mean = {} and training.log_normal_deviation = {}: no timestep is "
        "near that noise level; they have ln(sigma / signal) from {:.2f} to {:.2f}",
        training.log_normal_mean, training.log_normal_deviation,
        level(schedule.alpha_bars().front()), level(schedule.alpha_bars().back())));
  // The distribution function at the end of each interval. Without noise left, a level is infinite.
  const std::size_t last = levels.size() - 1;
  const auto end = [&](std::size_t t) {
    if (t < last) return (levels[t] + levels[t + 1]) / 2;
    return last == 0 ? std::numeric_limits<double>::infinity()
                     : levels[last] + (levels[last] - levels[last - 1]) / 2;
  };
  const double begin = last == 0 ? -std::numeric_limits<double>::infinity()
                                 : levels[0] - (levels[1] - levels[0]) / 2;
  const double before = normal_distribution(begin);
  std::vector<double> sums;
  for (std::size_t t = 0; t <= last; ++t) sums.push_back(normal_distribution(end(t)) - before);
  std::vector<std::int64_t> timesteps;
  for (std::int64_t i = 0; i < count; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    const auto found = std::ranges::lower_bound(sums, share * sums.back());
    timesteps.push_back(
        std::min<std::int64_t>(found - sums.begin(), static_cast<std::int64_t>(last)));
  }
  return timesteps;
}

}  // namespace ddpm
