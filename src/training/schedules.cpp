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

double ema_decay(const TrainingConfig& config, std::int64_t update) {
  if (!config.ema_warmup) return config.ema_decay;
  const auto n = static_cast<double>(update);
  return std::min(config.ema_decay, (1.0 + n) / (10.0 + n));
}

}  // namespace ddpm
