// A sampler is a table of numbers with one row for each evaluation of the network. Each sampler has
// one function that fills it in float64 (src/diffusion/samplers). ops::sampler_step, the same for
// all samplers, computes a step from a row.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/diffusion/schedule.h"
#include "ddpm/ops/sampler_step.h"

namespace ddpm {

// Noise that raises the level of x before steps (Karras et al., "Elucidating the Design Space",
// algorithm 2): before each of S steps by the share min(amount / S, sqrt(2) - 1), if the level sigma /
// signal is from low to high.
struct Churn {
  double amount = 0;
  double low = 0, high = 0;  // high 0: no limit
  double noise = 1;          // its standard deviation
};

struct SamplerOptions {
  std::int64_t steps = 0;  // 0: all timesteps
  // To begin with a picture and noise instead of noise alone, and to leave out the first steps.
  bool from_picture = false;
  std::int64_t skip = 0;                          // below the number of steps
  Spacing spacing = Spacing::kLinspace;           // see time_grid
  std::int64_t steps_offset = 0;                  // see time_grid
  std::vector<std::int64_t> timesteps = {};       // not empty: these, descending, instead of a grid
  SigmaSpacing sigmas = SigmaSpacing::kSchedule;  // not for ddpm, ddim, ipndm, plms and lcm
  double sigma_min = 0, sigma_max = 0;            // of sigmas, as sigma / signal; 0: the process's
  Prediction prediction = Prediction::kNoise;
  Variance variance = Variance::kFixedLarge;  // for ddpm
  double eta = 0;                             // for ddim, in [0,1]: noise; 0: none, 1: as ddpm
  bool use_clipped_model_output = true;       // for ddim: compute the noise from the clipped x0
  bool set_alpha_to_one = true;               // for ddim: end at the clean image, not at t = 0
  Churn churn = {};                           // for euler and heun
  bool clip_x0 = true;                        // clip the predicted image to [minimum, maximum]
  double minimum = -1, maximum = 1;           // range of the data
  double threshold = 0, threshold_max = 1;    // instead of clipping, see ops::SamplerSwitches
};

// The steps from noise to images, in order. All numbers are finite, but bounds may be infinite.
struct SamplerPlan {
  std::vector<ops::SamplerStep> steps;
  ops::SamplerSwitches switches;
  double start_image = 0, start_noise = 1;  // x of the first step, as a sum of picture and noise
};

// The registers and inputs that the rows of a plan use beside x and the prediction.
struct SamplerNeeds {
  bool noise = false;         // z
  bool second_image = false;  // s
  std::size_t history = 0;    // number of m1, m2, m3 in use
  bool scaled_input = false;  // some input_scale is not 1
  bool guidance = false;      // some step has guidance
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

// DDIM backwards (eta = 0, no clipping): from the clean image, which is x of the first step, to the
// noise that DDIM turns into it. Each step takes the noise that the network sees in x for the time
// it goes to, as diffusers' DDIMInverseScheduler does.
SamplerPlan ddim_inversion_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// The functions below solve the differential equation dy / d kappa = e with y = x / signal and
// kappa = sigma / signal, along which images have the same distributions as in the diffusion
// process, or a stochastic equation of which that is true. They follow diffusers 0.42.1;
// docs/samplers.md tells the differences. Beside the errors of time_grid, ConfigError says that a
// process ends in too much noise.
//
// Euler's method, with churn or without, and the same with noise added after a longer step
// (k-diffusion's "ancestral").
SamplerPlan euler_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan euler_ancestral_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
// Two evaluations a step, but one in the last: Heun's method (Karras et al., "Elucidating the
// Design Space of Diffusion-Based Generative Models", algorithm 1, with churn algorithm 2), and the
// midpoint method in ln kappa, which may be ancestral too.
SamplerPlan heun_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm2_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm2_ancestral_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
// Polynomials through the noise of up to four steps: in kappa; with Adams and Bashforth's weights
// for equal steps (Zhang and Chen, "Fast Sampling of Diffusion Models with Exponential
// Integrator"); the same, but the first step is made twice and the last ends at t = 0 (Liu et al.,
// "Pseudo Numerical Methods for Diffusion Models on Manifolds", without its Runge-Kutta steps); and
// through two steps in ln kappa, to the noise level of t = 0 (DEIS, Zhang and Chen).
SamplerPlan lms_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan ipndm_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan plms_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan deis_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
// Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling", of order 2 (midpoint) and 3, the same
// for the stochastic equation, and k-diffusion's for that equation with two evaluations a step, whose
// two noises are those of one path: the noise of the first half is a part of that of the whole step.
SamplerPlan dpm_solver_2m_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm_solver_3m_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm_solver_2m_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm_solver_3m_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
SamplerPlan dpm_solver_sde_plan(const NoiseSchedule& schedule, const SamplerOptions& options);
// Zhao et al., "UniPC: A Unified Predictor-Corrector Framework", order 2 with B2(h), for images.
SamplerPlan unipc_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// Multistep consistency sampling, for networks that were distilled to predict the clean image from any
// noise (Luo et al., "Latent Consistency Models"): each step predicts it and adds the next level's
// noise. The S steps are evenly chosen from the 50 timesteps for which such networks are made, T/50
// apart and the last one T-1, whatever the spacing; more than 50 are those of trailing.
SamplerPlan lcm_plan(const NoiseSchedule& schedule, const SamplerOptions& options);

// The plan of the sampler of this kind. Throws ConfigError too if it has no such options.sigmas.
// With options.from_picture it begins with a picture that has the noise of the first step's level.
SamplerPlan sampler_plan(SamplerKind kind, const NoiseSchedule& schedule,
                         const SamplerOptions& options);

}  // namespace ddpm
