// The noise levels that solvers of the probability flow visit. Private to this folder.
#pragma once

#include <cmath>
#include <vector>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {

// A noise level: x = signal x_0 + sigma e with signal^2 + sigma^2 = 1.
struct Level {
  double time = 0;   // what the network is told
  double kappa = 0;  // sigma / signal, which EDM, k-diffusion and diffusers call sigma

  double signal() const { return 1 / std::hypot(1.0, kappa); }
  double sigma() const { return kappa * signal(); }
  double lambda() const { return -std::log(kappa); }  // infinite at the clean image
};

// diffusers has three ways to turn a spacing into times; see levels().
enum class TimeFamily { kRounded, kSolver, kFractional };

// The levels of the steps, descending, and as the last one the clean image, kappa = 0.
//   kRounded:    time_grid
//   kSolver:     time_grid with one more step, without its last time; with as many steps as timesteps,
//                every timestep (diffusers visits some of them twice)
//   kFractional: time_grid, but linspace is not rounded, and kappa is interpolated between timesteps
// Given options.timesteps are the same for all.
// With options.sigmas other than kSchedule, kappa goes from the first to the last one of the process
// (kSolver) or of these times (others), and the network is told the time that has this kappa, a
// fraction; but with kSolver its nearest whole timestep (Karras) or the one before it (exponential).
// sigma_max and sigma_min replace its ends, within what the process has. Throws ConfigError if the levels
// would not descend.
// At the end of a process without signal alpha_bar is taken as 2^-24, as in diffusers.
// Throws ConfigError as time_grid does, and if the process ends in so much noise that the numbers of
// these samplers would exceed float32.
std::vector<Level> levels(const NoiseSchedule& schedule, const SamplerOptions& options,
                          TimeFamily family);

// kappa at every timestep; throws ConfigError as levels does.
std::vector<double> kappas(const NoiseSchedule& schedule);

// The time, a fraction, at which a process with these kappas has this one.
double time_of(const std::vector<double>& kappas, double kappa);

}  // namespace ddpm
