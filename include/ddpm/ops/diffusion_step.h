#pragma once

#include <torch/types.h>

#include <array>

#include "ddpm/config/choices.h"

namespace ddpm::ops {

// What the second half of a network's channels, v, says about the variance of a step: nothing;
// where it lies between two bounds, log variance = f log large + (1 - f) log small with f = (v + 1)
// / 2 (Nichol and Dhariwal, "Improved DDPM", equation 15); or the variance itself (diffusers'
// "learned").
enum class VarianceChannels { kIgnored, kRange, kItself };

// One transition of the reverse process, as numbers: from the prediction follow
//   x0, clipped, and the noise e that the unclipped one implies;
//   x' = x0_coefficient x0 + x_coefficient x + noise_coefficient e + noise_std z.
struct StepCoefficients {
  double signal = 1, sigma = 0;  // sqrt(alpha_bar_t), sqrt(1 - alpha_bar_t); signal > 0 for kNoise
  double x0_coefficient = 0, x_coefficient = 0;
  double noise_coefficient = 0;  // counts only if keeps_noise
  double noise_std = 0;          // with a variance by the network: times the root of that
  double log_variance_small = 0,
         log_variance_large = 0;     // count only with VarianceChannels::kRange
  double minimum = -1, maximum = 1;  // range of the data

  // The same for all steps of a sampler, so that one recorded graph serves them.
  bool clip = true;
  // Above 0, instead of clipping: with s = this quantile of |x0| over an image, but from 1 to
  // threshold_max, x0 becomes clip(x0, -s, s) / s. For data in [-1,1]. Saharia et al.,
  // "Photorealistic Text-to-Image Diffusion Models", section 2.3.
  double threshold = 0, threshold_max = 1;
  bool keeps_noise = false;  // e enters by itself; diffusers' DDIM
  Prediction prediction = Prediction::kNoise;
  VarianceChannels variance = VarianceChannels::kIgnored;
};

// As kernels read them: {1/signal, sigma, x0_coefficient, x_coefficient, noise_std, minimum,
// maximum, clip}, for a velocity with signal and sigma/signal in the first places. Then what steps
// beyond the kernel read: {signal, sigma, noise_coefficient, log_variance_small,
// log_variance_large}.
using StepScalars = std::array<double, 13>;
StepScalars kernel_scalars(const StepCoefficients& coefficients);

// x' from x, the prediction and standard normal z (undefined: none), all of one shape but the
// prediction, which may have twice the channels. On a GPU `on_device`, float32 of StepScalars, holds
// the coefficients where a recorded graph finds them; undefined elsewhere. x may be overwritten and
// is what is returned then.
torch::Tensor diffusion_step(const torch::Tensor& x, const torch::Tensor& prediction,
                             const torch::Tensor& z, const StepCoefficients& coefficients,
                             const torch::Tensor& on_device = {});

}  // namespace ddpm::ops
