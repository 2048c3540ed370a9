// What the functions that fill tables have in common. Private to this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {

// The image x x_t + p prediction.
struct Mixture {
  double x = 0, p = 0;
};

// What a prediction about x_t = signal x_0 + sigma e says about x_0 and e, before anything is
// clipped, where alpha_bar = signal^2 = 1 - sigma^2. An image cannot be told from the noise
// predicted at alpha_bar = 0.
Mixture predicted_image(Prediction prediction, double alpha_bar);
Mixture predicted_noise(Prediction prediction, double alpha_bar);

// Timesteps to visit, descending, by time_grid.
std::vector<std::int64_t> grid_of(const NoiseSchedule& schedule, const SamplerOptions& options);

// A plan without rows yet, with the switches that all samplers have.
SamplerPlan empty_plan(const SamplerOptions& options);

// The beginning of a row at timestep t: what the network is told, and x0, clipped.
ops::SamplerStep row_at(const NoiseSchedule& schedule, std::int64_t t,
                        const SamplerOptions& options);

}  // namespace ddpm
