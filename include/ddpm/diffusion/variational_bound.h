// The variational bound. A network that predicts its variance learns the variance from it.
// Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", section 3.1; the
// constants are from their code.
#pragma once

#include <torch/types.h>

#include "ddpm/diffusion/schedule.h"

namespace ddpm {

// The logarithm, in nats and at least log 1e-12, of the probability that a Gaussian gives to the
// 8-bit value of a pixel. The value stands for the interval from half a value below it to half a
// value above it; the intervals of the first and last value have no outer end. `centered`: pixel -
// mean. All tensors have one shape; pixels are in [minimum, maximum]. Ho et al., equation 13, with
// their approximation of the normal distribution function.
torch::Tensor discretized_log_likelihood(const torch::Tensor& pixels, const torch::Tensor& centered,
                                         const torch::Tensor& log_std, double minimum,
                                         double maximum);

// The factor f in x0 - predicted x0 = f * (prediction - target) at timestep t.
double image_by_error(const NoiseSchedule& schedule, std::int64_t t, Prediction prediction);

// The terms L_t of the bound for networks with diffusion.variance learned_range: the KL divergence
// between the true step and the network's or, for t = 0, minus the log likelihood of the image.
class VariationalBound {
 public:
  // Tables are kept in float32 on `device`. `minimum` and `maximum` are the range of the data.
  VariationalBound(const NoiseSchedule& schedule, torch::Device device,
                   Prediction prediction = Prediction::kNoise, double minimum = -1,
                   double maximum = 1);

  // Returns L_t of each image, [N], in bits per dimension. x0: the images [N,C,H,W]; t: [N] int64;
  // `error`: prediction - target of the simple loss, from which the error of the mean follows;
  // `range`: the second half of the network's channels. Differentiable; never waits for a GPU.
  torch::Tensor terms(const torch::Tensor& x0, const torch::Tensor& t, const torch::Tensor& error,
                      const torch::Tensor& range) const;

 private:
  // Tables [T]: the log variance of the posterior q(x_t-1 | x_t, x_0); log beta_t minus that; and
  // (true mean - predicted mean) / `error`.
  torch::Tensor log_small_, log_span_, mean_by_error_;
  double minimum_, maximum_;
};

}  // namespace ddpm
