// One step of any sampler: sums of a few images, whose coefficients are a row of a table.
#pragma once

#include <torch/types.h>

#include <array>
#include <limits>

namespace ddpm::ops {

// What the second half of a network's channels, v, says about the variance of a step: nothing;
// where it lies between two bounds, log variance = f log large + (1 - f) log small with f = (v + 1)
// / 2 (Nichol and Dhariwal, "Improved DDPM", equation 15); or the variance itself (diffusers'
// "learned").
enum class VarianceChannels { kIgnored, kRange, kItself };

// Coefficients of the registers (see SamplerRegisters) in a sum. A register whose coefficient is 0
// is not read: it may hold anything.
struct RegisterSum {
  double x = 0, s = 0, p = 0, m0 = 0, m1 = 0, m2 = 0, m3 = 0, z = 0;
};

// One evaluation of the network and what follows from its prediction p, as numbers:
//   x0 = from_x x + from_p p, clipped
//   m0 = keep_x x + keep_x0 x0 + keep_p p
//   x, s <- next, kept, the sums over {x, s, p, m0, m1, m2, m3, z}
//   m3 <- m2 <- m1 <- m0
struct SamplerStep {
  // The noise level of x: x = signal x_0 + sigma e. The step itself does not use it, but what is
  // built on a table does: guidance, and edits of pictures.
  double signal = 0, sigma = 1;
  double time = 0;         // what the network is told; in timesteps of training, may be a fraction
  double input_scale = 1;  // the network sees input_scale * x; x itself stays
  double from_x = 0, from_p = 0;  // what the network predicts (noise, velocity, image), as an image
  double minimum = -std::numeric_limits<double>::infinity();  // of x0; infinite: it is not clipped
  double maximum = std::numeric_limits<double>::infinity();
  double keep_x = 0, keep_x0 = 1,
         keep_p = 0;  // m0: the clipped image, or the noise it implies, ...
  RegisterSum next, kept;
  // Natural logarithms of the bounds of a variance by the network, see VarianceChannels::kRange.
  double log_variance_small = 0, log_variance_large = 0;
  double guidance = 1;  // scale of diffusion/guidance.h; 1: one evaluation, without guidance
  // With a mask: the noise level of the kept picture in x after the step (diffusion/inpainting.h).
  double known = 0, known_noise = 0;
};

// What is the same in all rows of a table, so that one recorded graph serves them.
struct SamplerSwitches {
  // Above 0: with b = this quantile of |x0| over an image, but from 1 to threshold_max, x0 becomes
  // clip(x0, -b, b) / b before it is clipped. For data in [-1,1]. Saharia et al., "Photorealistic
  // Text-to-Image Diffusion Models", section 2.3.
  double threshold = 0, threshold_max = 1;
  // Other than kIgnored: z is multiplied by the standard deviation that the network predicts.
  VarianceChannels variance = VarianceChannels::kIgnored;
};

// The images that a step reads and writes, [N,C,H,W] of one type. Undefined: no row uses it.
struct SamplerRegisters {
  torch::Tensor x;                 // the noisy image
  torch::Tensor s;                 // a second one, for samplers of two stages
  torch::Tensor p;                 // the prediction; [N,2C,H,W] if the variance comes with it
  std::array<torch::Tensor, 3> m;  // m1, m2, m3: m0 of the three steps before this one
  torch::Tensor z;                 // standard normal noise
};

// A row as kernels read it: float32, in the order of kernels::SamplerRow. The generator reads some
// of the numbers too, at these places.
inline constexpr std::size_t kSamplerRowSize = 30;
inline constexpr std::int64_t kTimeInRow = 0, kInputScaleInRow = 1, kGuidanceInRow = 27,
                              kKnownInRow = 28, kKnownNoiseInRow = 29;
std::array<double, kSamplerRowSize> sampler_row(const SamplerStep& step);

// The image x0 that a step takes from x and p, clipped, as a tensor of its own. `row` holds the
// sampler_row() of the step, on any device.
torch::Tensor predicted_image(const SamplerRegisters& registers, const SamplerSwitches& switches,
                              const torch::Tensor& row);

// Makes a step: x, s and m are replaced. On a GPU with kernels they are overwritten in place, are
// float32 and contiguous, and the numbers come from `row`, the sampler_row() of the step in device
// memory, where a recorded graph finds them; elsewhere from `step`, and `row` may be undefined.
void sampler_step(SamplerRegisters& registers, const SamplerStep& step,
                  const SamplerSwitches& switches, const torch::Tensor& row = {});

}  // namespace ddpm::ops
