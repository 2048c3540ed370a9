#include "ddpm/training/schedules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ddpm {

double learning_rate(const TrainingConfig& config, std::int64_t step) {
  const auto now = static_cast<double>(step);
  const auto warmup = static_cast<double>(config.warmup_steps);
  const double ramp = config.warmup_steps > 0 ? std::min(now / warmup, 1.0) : 1.0;
  if (config.learning_rate_schedule == LearningRateSchedule::kConstant || now <= warmup)
    return config.learning_rate * ramp;
  const double progress =
      (now - warmup) / std::max(static_cast<double>(config.steps) - warmup, 1.0);
  return config.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
}

double ema_exponent(double length) {
  // The width falls as the exponent rises, and is nearly 1 / exponent where that is large.
  double low = 0, high = 2 / length;
  for (int i = 0; i < 100; ++i) {
    const double g = (low + high) / 2;
    const double width = std::sqrt((g + 1) / ((g + 2) * (g + 2) * (g + 3)));
    (width > length ? low : high) = g;
  }
  return low;
}

double ema_decay(const TrainingConfig& config, std::int64_t update) {
  if (config.ema_decay > 0 && config.ema_length > 0)
    return std::pow(1 - 1 / static_cast<double>(update + 1), ema_exponent(config.ema_length) + 1);
  if (!config.ema_warmup) return config.ema_decay;
  const auto n = static_cast<double>(update);
  return std::min(config.ema_decay, (1.0 + n) / (10.0 + n));
}

}  // namespace ddpm
