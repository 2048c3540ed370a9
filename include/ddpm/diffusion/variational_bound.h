// The variational bound, which a network that predicts its variance learns that from.
// Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", section 3.1; constants
// are those of their code.
#pragma once

#include <torch/types.h>

#include "ddpm/diffusion/schedule.h"

namespace ddpm {

// Logarithm of the probability that a Gaussian gives the 8-bit value of a pixel, in nats, not below
// log 1e-12: what lies between half a value below and above it, and beyond for the first and last
// value. `centered`: pixel - mean. Everything of one shape; pixels in [minimum, maximum]. Ho et
// al., equation 13, with their approximation of the normal distribution function.
torch::Tensor discretized_log_likelihood(const torch::Tensor& pixels, const torch::Tensor& centered,
                                         const torch::Tensor& log_std, double minimum,
                                         double maximum);

// The terms L_t of the bound for networks with diffusion.variance learned_range: the divergence of
// the network's step from the true one, or, for t = 0, minus the log likelihood of the image.
class VariationalBound {
 public:
  // Tables are kept in float32 on `device`. `minimum`, `maximum`: range of the data.
  VariationalBound(const NoiseSchedule& schedule, torch::Device device,
                   Prediction prediction = Prediction::kNoise, double minimum = -1,
                   double maximum = 1);

  // [N] in bits per dimension. x0: the images [N,C,H,W]; t: [N] int64; `error`: prediction - target
  // of the simple loss, which says all about the mean; `range`: the network's second half of
  // channels. Differentiable; none of it waits for a GPU.
  torch::Tensor terms(const torch::Tensor& x0, const torch::Tensor& t, const torch::Tensor& error,
                      const torch::Tensor& range) const;

 private:
  // [T]: log variance of the posterior q(x_t-1 | x_t, x_0), by how much that of beta_t is larger,
  // and true mean - predicted mean, per `error`.
  torch::Tensor log_small_, log_span_, mean_by_error_;
  double minimum_, maximum_;
};

}  // namespace ddpm
