// What training minimises: which errors of a prediction count, how much, and at which timesteps.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/diffusion/schedule.h"

namespace ddpm {

// The loss of one prediction (diffusion/denoise_model.h).
struct Objective {
  Prediction prediction = Prediction::kNoise;
  Loss loss = Loss::kMse;
  double huber_delta = 1;
  std::vector<double> weights = {};  // factor of the loss at each timestep, [T]; empty: all 1
};

Objective objective_of(const DiffusionConfig& diffusion, const TrainingConfig& training);

// The factors of the squared error at each timestep, [T]. With S = alpha_bar / (1 - alpha_bar), the
// signal-to-noise ratio, the squared error of the image counts w(S) times:
//   min_snr: min(S, gamma); p2: S / (1 + S)^gamma; edm: S + 1 / 0.5^2.
// An error of the noise is sqrt(S), and one of the velocity sqrt(S + 1) times that of the image, so
// their factors are w / S and w / (S + 1). At S = 0 min_snr has the factor 1, as its authors' code has:
// otherwise the last timestep of a process with zero_terminal_snr would not be learnt. Nothing for uniform.
std::vector<double> loss_weights(const DiffusionConfig& diffusion, const TrainingConfig& training);

// The timesteps that stand for equal shares of the draws of timestep_sampling log_normal, in
// ascending order: entry i of `count` is the quantile (i + 1/2) / count of the distribution in which
// timestep t has the probability of the interval of x = ln(sigma / signal) around it, for a normal x with
// the config's mean and deviation. The intervals meet in the middle between timesteps, and the two outer
// ones are as wide on both sides. Throws ConfigError if no timestep is within 8 deviations of the mean.
std::vector<std::int64_t> log_normal_timesteps(const DiffusionConfig& diffusion,
                                               const TrainingConfig& training, std::int64_t count);

}  // namespace ddpm
