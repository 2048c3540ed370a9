#pragma once

#include "ddpm/config/config.h"

namespace ddpm {

// The learning rate of step `step`, counted from 1: a linear warm-up rate * step / warmup_steps,
// then constant, or a cosine from the full rate after the warm-up to zero at training.steps.
double learning_rate(const TrainingConfig& config, std::int64_t step);

// The exponent gamma of the average that weighs the weights after step t by t^gamma and whose standard
// deviation, as a share of the time so far, is `length`, in (0, 0.28]: Karras et al., "Analyzing and
// Improving the Training Dynamics of Diffusion Models", section 3.1.
double ema_exponent(double length);

// The decay of the moving average at update n = 0, 1, ...: ema_decay, or with warm-up
// min(ema_decay, (1 + n) / (10 + n)), or with ema_length (1 - 1 / (n + 1))^(gamma + 1).
double ema_decay(const TrainingConfig& config, std::int64_t update);

}  // namespace ddpm
