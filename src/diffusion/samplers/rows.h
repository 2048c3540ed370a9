// Functions that all samplers use to fill their tables. Private to this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/diffusion/sampler.h"
#include "levels.h"

namespace ddpm {

// The coefficients of the image x * x_t + p * prediction.
struct Mixture {
  double x = 0, p = 0;
};

// The coefficients of x_0 and of e, not clipped, as they follow from a prediction for x_t = signal
// x_0 + sigma e, where alpha_bar = signal^2 = 1 - sigma^2. At alpha_bar = 0 predicted noise does
// not determine the image.
Mixture predicted_image(Prediction prediction, double signal, double sigma);
Mixture predicted_noise(Prediction prediction, double signal, double sigma);
Mixture predicted_image(Prediction prediction, double alpha_bar);
Mixture predicted_noise(Prediction prediction, double alpha_bar);

// The timesteps of the steps, descending, the given ones or those of time_grid: all of them, and
// without those that options.skip leaves out.
std::vector<std::int64_t> whole_grid(const NoiseSchedule& schedule, const SamplerOptions& options);
std::vector<std::int64_t> grid_of(const NoiseSchedule& schedule, const SamplerOptions& options);

// A plan without rows, with the switches that all samplers share.
SamplerPlan empty_plan(const SamplerOptions& options);

// A row for timestep t with the time and how x0 is computed and clipped. The sampler sets the sums.
ops::SamplerStep row_at(const NoiseSchedule& schedule, std::int64_t t,
                        const SamplerOptions& options);
ops::SamplerStep row_at(const Level& level, const SamplerOptions& options);

// Lets m0 be the noise in x instead of the image: the predicted noise or, if x0 is clipped, the noise
// that the clipped x0 implies.
void keep_noise(ops::SamplerStep& row, const Level& level, const SamplerOptions& options);

ops::RegisterSum scaled(const ops::RegisterSum& sum, double factor);

// Lets the plan, which is not empty, begin at factor * x.
void scale_start(SamplerPlan& plan, double factor);

}  // namespace ddpm
