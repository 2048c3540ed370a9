// The training objective: a network that predicts the noise in a corrupted image, or what is as
// good.
#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>

#include "ddpm/diffusion/schedule.h"
#include "ddpm/diffusion/variational_bound.h"
#include "ddpm/ops/condition.h"

namespace ddpm {

// (x_t [N,C,H,W], t [N] in timesteps, int64 or float32, condition) -> prediction [N,C,H,W], or
// [N,2C,H,W] whose second half is about the variance. Any callable will do: a network, a closed form
// in a test.
using Predictor = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& t,
                                              const Condition& condition)>;

// What a network that predicts its variance is trained with besides: `weight` times the bound,
// which is estimated by T times the term of one timestep.
struct HybridLoss {
  VariationalBound bound;
  double weight = 0.001;  // lambda of Nichol and Dhariwal
};

// Couples a predictor with a diffusion process.
class DenoiseModel {
 public:
  // Tables are kept in float32 on `device`. `hybrid`: of a predictor of twice the channels.
  DenoiseModel(Predictor predictor, const NoiseSchedule& schedule, torch::Device device,
               Prediction prediction = Prediction::kNoise,
               std::optional<HybridLoss> hybrid = std::nullopt);

  // q(x_t | x_0), equation 4: sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise. t: [N] int64.
  torch::Tensor corrupt(const torch::Tensor& x0, const torch::Tensor& t,
                        const torch::Tensor& noise) const;

  // The simple loss, equation 14: mean over all elements of (noise - prediction)^2, or with
  // velocity or image in the place of the noise; with a hybrid loss, L_simple + lambda L_vlb, where
  // the second teaches the variance alone. A scalar, float32.
  torch::Tensor loss(const torch::Tensor& x0, const torch::Tensor& t, const torch::Tensor& noise,
                     const Condition& condition = {}) const;

 private:
  torch::Tensor target(const torch::Tensor& x0, const torch::Tensor& t,
                       const torch::Tensor& noise) const;

  Predictor predictor_;
  Prediction prediction_;
  std::optional<HybridLoss> hybrid_;
  torch::Tensor signal_;  // sqrt(alpha_bar), [T]
  torch::Tensor sigma_;   // sqrt(1 - alpha_bar), [T]
};

}  // namespace ddpm
