#include "ddpm/ops/diffusion_step.h"

#include <algorithm>

#include "ddpm/kernels/sampler.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

// The coefficients that change from step to step: numbers, or tensors of one element on the device.
template <class Scalar>
struct Terms {
  Scalar signal, sigma, x0, x, noise, std, small, large;
};

Terms<torch::Tensor> terms_on_device(const torch::Tensor& s) {
  return {s[8], s[9], s[2], s[3], s[10], s[4], s[11], s[12]};
}

template <class Scalar>
torch::Tensor image_of(const torch::Tensor& x, const torch::Tensor& p, Prediction prediction,
                       const Terms<Scalar>& k) {
  switch (prediction) {
    case Prediction::kNoise:
      return (x - k.sigma * p) / k.signal;
    case Prediction::kVelocity:
      return k.signal * x - k.sigma * p;
    case Prediction::kImage:
      return p;
  }
  return {};
}

template <class Scalar>
torch::Tensor noise_of(const torch::Tensor& x, const torch::Tensor& p, Prediction prediction,
                       const Terms<Scalar>& k) {
  switch (prediction) {
    case Prediction::kNoise:
      return p;
    case Prediction::kVelocity:
      return k.signal * p + k.sigma * x;
    case Prediction::kImage:
      return (x - k.signal * p) / k.sigma;
  }
  return {};
}

torch::Tensor threshold_image(const torch::Tensor& x0, const StepCoefficients& c) {
  torch::Tensor s = torch::quantile(x0.flatten(1).abs(), c.threshold, 1);
  s = s.clamp(1, c.threshold_max).view({-1, 1, 1, 1});
  return torch::minimum(torch::maximum(x0, -s), s) / s;
}

// z, as large as the step's noise.
template <class Scalar>
torch::Tensor scaled_noise(const torch::Tensor& z, const torch::Tensor& v, VarianceChannels kind,
                           const Terms<Scalar>& k) {
  if (kind == VarianceChannels::kRange) {
    const torch::Tensor f = (v + 1) / 2;
    return k.std * torch::exp(0.5 * (f * k.large + (1 - f) * k.small)) * z;
  }
  if (kind == VarianceChannels::kItself) return k.std * v.clamp_min(0).sqrt() * z;
  return k.std * z;
}

template <class Scalar>
torch::Tensor step(const torch::Tensor& x, const torch::Tensor& prediction, const torch::Tensor& z,
                   const StepCoefficients& c, const Terms<Scalar>& k) {
  const torch::Tensor p = prediction.narrow(1, 0, x.size(1));
  torch::Tensor x0 = image_of(x, p, c.prediction, k);
  if (c.threshold > 0)
    x0 = threshold_image(x0, c);
  else if (c.clip)
    x0 = x0.clamp(c.minimum, c.maximum);
  torch::Tensor next = k.x0 * x0 + k.x * x;
  if (c.keeps_noise) next = next + k.noise * noise_of(x, p, c.prediction, k);
  if (!z.defined()) return next;
  const bool by_network = c.variance != VarianceChannels::kIgnored;
  const torch::Tensor v = by_network ? prediction.narrow(1, x.size(1), x.size(1)) : p;
  return next + scaled_noise(z, v, c.variance, k);
}

bool kernel_takes(const StepCoefficients& c) {
  return c.prediction != Prediction::kImage && !c.keeps_noise && c.threshold == 0 &&
         c.variance == VarianceChannels::kIgnored;
}

}  // namespace

StepScalars kernel_scalars(const StepCoefficients& c) {
  const bool velocity = c.prediction == Prediction::kVelocity;
  // 0 at the end of a schedule with zero terminal SNR. The kernel's velocity, signal * (x - sigma /
  // signal * v), is right for any small number.
  const double signal = std::max(c.signal, 1e-12);
  return {velocity ? signal : 1.0 / signal,
          velocity ? c.sigma / signal : c.sigma,
          c.x0_coefficient,
          c.x_coefficient,
          c.noise_std,
          c.minimum,
          c.maximum,
          c.clip ? 1.0 : 0.0,
          c.signal,
          c.sigma,
          c.noise_coefficient,
          c.log_variance_small,
          c.log_variance_large};
}

torch::Tensor diffusion_step(const torch::Tensor& x, const torch::Tensor& prediction,
                             const torch::Tensor& z, const StepCoefficients& c,
                             const torch::Tensor& on_device) {
  if (!on_device.defined() || !use_kernels(x)) {
    const Terms<double> terms{c.signal,
                              c.sigma,
                              c.x0_coefficient,
                              c.x_coefficient,
                              c.noise_coefficient,
                              c.noise_std,
                              c.log_variance_small,
                              c.log_variance_large};
    return step(x, prediction, z, c, terms);
  }
  // In place in any case: a graph that is replayed goes on where it left off.
  if (!kernel_takes(c)) return x.copy_(step(x, prediction, z, c, terms_on_device(on_device)));
  const torch::Tensor p = prediction.narrow(1, 0, x.size(1)).contiguous();
  kernels::ddpm_step(x.data_ptr<float>(), p.const_data_ptr(), type_of(p),
                     z.defined() ? z.const_data_ptr<float>() : nullptr,
                     on_device.const_data_ptr<float>(), x.numel(), stream_of(x));
  return x;
}

}  // namespace ddpm::ops
