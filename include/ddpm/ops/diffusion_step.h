#pragma once

#include <torch/types.h>

#include <array>

namespace ddpm::ops {

// One transition of the reverse process, as numbers: with the predicted noise e,
//   x0 = clip((x - sigma e) / signal),  x' = x0_coefficient x0 + x_coefficient x + noise_std z.
struct StepCoefficients {
  double signal = 1, sigma = 0;  // sqrt(alpha_bar_t), sqrt(1 - alpha_bar_t)
  double x0_coefficient = 0, x_coefficient = 0;
  double noise_std = 0;
  double minimum = -1, maximum = 1;  // range of the data
  bool clip = true;
};

// As kernels read them: {1/signal, sigma, x0_coefficient, x_coefficient, noise_std, minimum,
// maximum, clip}.
std::array<double, 8> kernel_scalars(const StepCoefficients& coefficients);

// x' from x, the predicted noise and standard normal z (undefined: none), all of one shape. On a
// GPU `on_device`, float32 [8], holds the coefficients where a recorded graph finds them; undefined
// elsewhere. x may be overwritten and is what is returned then.
torch::Tensor diffusion_step(const torch::Tensor& x, const torch::Tensor& predicted_noise,
                             const torch::Tensor& z, const StepCoefficients& coefficients,
                             const torch::Tensor& on_device = {});

}  // namespace ddpm::ops
