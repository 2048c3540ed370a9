// One step of the reverse process.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// From x_t, in place, to x_{t-1}, for x, eps and noise of equal layout (noise may be null: none is
// added):
//   x0 = clip((x - sqrt(1-ab) * eps) / sqrt(ab));  x = x0_coefficient * x0 + xt_coefficient * x +
//   noise_std * noise
// coefficients (device): {1/sqrt(ab), sqrt(1-ab), x0_coefficient, xt_coefficient, noise_std,
// minimum, maximum, 1 to clip x0 to [minimum, maximum] or 0}; more may follow. `type` is that of
// eps. Also of a network that predicts v: see ops/diffusion_step.h.
void ddpm_step(float* x, const void* eps, Type type, const float* noise, const float* coefficients,
               std::int64_t count, Stream stream);

}  // namespace ddpm::kernels
