// A sampler is a table of numbers: one row for each evaluation of the network, filled in float64 by
// one function a sampler (src/diffusion/samplers). What a row does is the business of
// ops::sampler_step, the same for all samplers.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/diffusion/schedule.h"
#include "ddpm/ops/sampler_step.h"

namespace ddpm {

struct SamplerOptions {
  std::int64_t steps = 0;                // 0: all timesteps
  Spacing spacing = Spacing::kLinspace;  // see time_grid
  std::int64_t steps_offset = 0;         // the same
  Prediction prediction = Prediction::kNoise;
  Variance variance = Variance::kFixedLarge;  // of ddpm
  double eta = 0;                             // of ddim, in [0,1]: its noise; 1 is that of ddpm
  bool use_clipped_model_output = true;       // of ddim: the noise follows the clipped image
  bool set_alpha_to_one = true;               // of ddim: ends at the clean image, not at t = 0
  bool clip_x0 = true;                        // clip the predicted image to [minimum, maximum]
  double minimum = -1, maximum = 1;           // range of the data
  double threshold = 0, threshold_max = 1;    // instead of clipping, see ops::SamplerSwitches
};

// The steps from noise to images, in order. All numbers are finite, but for infinite bounds.
struct SamplerPlan {
  std::vector<ops::SamplerStep> steps;
  ops::SamplerSwitches switches;
};

// What any row of a plan uses beyond x and the prediction.
struct SamplerNeeds {
  bool noise = false;         // z
  bool second_image = false;  // s
  std::size_t history = 0;    // how many of m1, m2, m3
  bool scaled_input = false;  // an input_scale other than 1
};
SamplerNeeds needs_of(const SamplerPlan& plan);

// Ancestral sampling, algorithm 2 of Ho et al., on any grid: x0 from the prediction, clipped, then
// the posterior q(x_s | x_t, x_0) with its variance; the last transition adds no noise. Throws
// ConfigError as time_grid does, as do the others.
SamplerPlan ddpm_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// Song, Meng, Ermon, "Denoising Diffusion Implicit Models", equation 12, on any grid. Each step
// goes to the noise level of the next time of the grid; the last one to the clean image. Without
// noise if eta is 0; with eta = 1 and nothing clipped it is ancestral sampling with the small
// variance.
SamplerPlan ddim_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// That of the sampler of this kind.
SamplerPlan sampler_plan(SamplerKind kind, const NoiseSchedule& schedule,
                         const SamplerOptions& options);

}  // namespace ddpm
