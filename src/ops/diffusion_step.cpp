#include "ddpm/ops/diffusion_step.h"

#include "ddpm/kernels/sampler.h"
#include "kernels.h"

namespace ddpm::ops {

std::array<double, 8> kernel_scalars(const StepCoefficients& c) {
  return {1.0 / c.signal, c.sigma,   c.x0_coefficient, c.x_coefficient,
          c.noise_std,    c.minimum, c.maximum,        c.clip ? 1.0 : 0.0};
}

torch::Tensor diffusion_step(const torch::Tensor& x, const torch::Tensor& predicted_noise,
                             const torch::Tensor& z, const StepCoefficients& c,
                             const torch::Tensor& on_device) {
  if (on_device.defined() && use_kernels(x)) {
    const torch::Tensor e = predicted_noise.contiguous();
    kernels::ddpm_step(x.data_ptr<float>(), e.const_data_ptr(), type_of(e),
                       z.defined() ? z.const_data_ptr<float>() : nullptr,
                       on_device.const_data_ptr<float>(), x.numel(), stream_of(x));
    return x;
  }
  torch::Tensor x0 = (x - c.sigma * predicted_noise) / c.signal;
  if (c.clip) x0 = x0.clamp(c.minimum, c.maximum);
  const torch::Tensor mean = c.x0_coefficient * x0 + c.x_coefficient * x;
  return z.defined() ? mean + c.noise_std * z : mean;
}

}  // namespace ddpm::ops
