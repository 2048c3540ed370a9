// Samplers: from noise to images by calling a predictor at each time of a grid.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "ddpm/diffusion/denoise_model.h"
#include "ddpm/diffusion/schedule.h"
#include "ddpm/ops/diffusion_step.h"

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
  double threshold = 0, threshold_max = 1;    // instead of clipping, see ops::StepCoefficients
};

// Standard normal noise for the transition that leaves timestep t, like x. Samplers ask for it at
// most once a step.
using StepNoise = std::function<torch::Tensor(const torch::Tensor& x, std::int64_t t)>;

// Samplers that go from time to time by one evaluation each.
class Sampler {
 public:
  Sampler(NoiseSchedule schedule, const SamplerOptions& options);
  virtual ~Sampler() = default;
  // Timesteps visited, descending.
  const std::vector<std::int64_t>& grid() const { return grid_; }
  // The transition from x at grid()[i] to x at grid()[i+1], or to the finished image after the
  // last; its noise_std is 0 where none is added.
  virtual ops::StepCoefficients coefficients(std::size_t i) const = 0;
  // Whether any step does.
  virtual bool adds_noise() const { return true; }

  // Makes that transition.
  torch::Tensor step(const Predictor& predictor, const torch::Tensor& x, std::size_t i,
                     const StepNoise& noise) const;

 protected:
  NoiseSchedule schedule_;
  SamplerOptions options_;

 private:
  std::vector<std::int64_t> grid_;
};

// Ancestral sampling, algorithm 2 of Ho et al., on any grid: x0 from the predicted noise, clipped,
// then the posterior q(x_s | x_t, x_0) with its variance; the last transition adds no noise.
class DdpmSampler : public Sampler {
 public:
  using Sampler::Sampler;
  ops::StepCoefficients coefficients(std::size_t i) const override;
};

// Song, Meng, Ermon, "Denoising Diffusion Implicit Models", equation 12, on any grid. Each step
// goes to the noise level of the next time of the grid; the last one to the clean image. Without
// noise if eta is 0; with eta = 1 and nothing clipped it is ancestral sampling with the small
// variance.
class DdimSampler : public Sampler {
 public:
  using Sampler::Sampler;
  ops::StepCoefficients coefficients(std::size_t i) const override;
  bool adds_noise() const override { return options_.eta > 0; }
};

std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule,
                                      const SamplerOptions& options);

// The variance to sample with: the trained process's own, but fixed_small instead of fixed_large
// for fewer than T steps, where the latter adds far too much noise (FID 13 -> 367 at 10 steps on
// CIFAR-10; Song et al., "DDIM", table 1).
Variance sane_variance(Variance trained, std::int64_t steps, std::int64_t timesteps);

}  // namespace ddpm
