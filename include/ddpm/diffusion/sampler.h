// A sampler is a table of numbers with one row for each evaluation of the network. Each sampler has
// one function that fills it in float64 (src/diffusion/samplers). ops::sampler_step, the same for
// all samplers, computes a step from a row.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/diffusion/schedule.h"
#include "ddpm/ops/sampler_step.h"

namespace ddpm {

struct SamplerOptions {
  std::int64_t steps = 0;                // 0: all timesteps
  Spacing spacing = Spacing::kLinspace;  // see time_grid
  std::int64_t steps_offset = 0;         // see time_grid
  Prediction prediction = Prediction::kNoise;
  Variance variance = Variance::kFixedLarge;  // for ddpm
  double eta = 0;                             // for ddim, in [0,1]: noise; 0: none, 1: as ddpm
  bool use_clipped_model_output = true;       // for ddim: compute the noise from the clipped x0
  bool set_alpha_to_one = true;               // for ddim: end at the clean image, not at t = 0
  bool clip_x0 = true;                        // clip the predicted image to [minimum, maximum]
  double minimum = -1, maximum = 1;           // range of the data
  double threshold = 0, threshold_max = 1;    // instead of clipping, see ops::SamplerSwitches
};

// The steps from noise to images, in order. All numbers are finite, but bounds may be infinite.
struct SamplerPlan {
  std::vector<ops::SamplerStep> steps;
  ops::SamplerSwitches switches;
};

// The registers and inputs that the rows of a plan use beside x and the prediction.
struct SamplerNeeds {
  bool noise = false;         // z
  bool second_image = false;  // s
  std::size_t history = 0;    // number of m1, m2, m3 in use
  bool scaled_input = false;  // some input_scale is not 1
};
SamplerNeeds needs_of(const SamplerPlan& plan);

// Ancestral sampling, algorithm 2 of Ho et al., on any grid. Each step computes x0 from the
// prediction, clips it and samples from the posterior q(x_s | x_t, x_0) with options.variance. The
// last step adds no noise. This and the functions below throw ConfigError as time_grid does.
SamplerPlan ddpm_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// Song, Meng, Ermon, "Denoising Diffusion Implicit Models", equation 12, on any grid. Each step
// goes to the noise level of the next time of the grid; the last one goes to the clean image or, if
// set_alpha_to_one is false, to that of t = 0. With eta = 0 no noise is added; with eta = 1 and no
// clipping it is ancestral sampling with the small variance.
SamplerPlan ddim_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// The plan of the sampler of this kind.
SamplerPlan sampler_plan(SamplerKind kind, const NoiseSchedule& schedule,
                         const SamplerOptions& options);

}  // namespace ddpm
