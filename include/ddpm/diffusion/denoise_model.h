// The training objective: a network predicts the noise in a corrupted image, or its velocity or the
// clean image.
#pragma once

#include <torch/types.h>

#include <functional>
#include <optional>

#include "ddpm/diffusion/objective.h"
#include "ddpm/diffusion/schedule.h"
#include "ddpm/diffusion/variational_bound.h"
#include "ddpm/ops/condition.h"

namespace ddpm {

// (x_t [N,C,H,W], t [N] in timesteps, int64 or float32, condition) -> prediction [N,C,H,W], or
// [N,2C,H,W] whose second half is about the variance. It can be any callable, such as a network or,
// in a test, a formula.
using Predictor = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& t,
                                              const Condition& condition)>;

// An additional loss for a network that predicts its variance: `weight` times the variational
// bound, which is estimated as T times the term of one timestep.
struct HybridLoss {
  VariationalBound bound;
  double weight = 0.001;  // lambda of Nichol and Dhariwal
};

// Couples a predictor with a diffusion process.
class DenoiseModel {
 public:
  // Tables are kept in float32 on `device`. With `hybrid` the predictor must return 2C channels.
  DenoiseModel(Predictor predictor, const NoiseSchedule& schedule, torch::Device device,
               const Objective& objective = {}, std::optional<HybridLoss> hybrid = std::nullopt);

  // Returns x_t by q(x_t | x_0), equation 4: sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise.
  // t: [N] int64.
  torch::Tensor corrupt(const torch::Tensor& x0, const torch::Tensor& t,
                        const torch::Tensor& noise) const;

  // Returns the simple loss, equation 14, as a float32 scalar: the mean over all elements of
  // (noise - prediction)^2, or with velocity or image instead of noise, or what else the objective
  // says. With a hybrid loss it is L_simple + lambda L_vlb, where L_vlb trains only the variance.
  torch::Tensor loss(const torch::Tensor& x0, const torch::Tensor& t, const torch::Tensor& noise,
                     const Condition& condition = {}) const;

 private:
  torch::Tensor target(const torch::Tensor& x0, const torch::Tensor& t,
                       const torch::Tensor& noise) const;
  torch::Tensor simple_loss(const torch::Tensor& prediction, const torch::Tensor& target,
                            const torch::Tensor& t) const;

  Predictor predictor_;
  Objective objective_;
  std::optional<HybridLoss> hybrid_;
  torch::Tensor signal_;   // sqrt(alpha_bar), [T]
  torch::Tensor sigma_;    // sqrt(1 - alpha_bar), [T]
  torch::Tensor weights_;  // of the objective, [T]; undefined: all 1
};

}  // namespace ddpm
