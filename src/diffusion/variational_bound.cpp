#include "ddpm/diffusion/variational_bound.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace ddpm {
namespace {

torch::Tensor to_table(const std::vector<double>& values, torch::Device device) {
  return torch::tensor(values, torch::kFloat64)
      .to(torch::TensorOptions().dtype(torch::kFloat32).device(device));
}

torch::Tensor per_image(const torch::Tensor& table, const torch::Tensor& t) {
  return table.index_select(0, t).view({-1, 1, 1, 1});
}

// Computes (1 + tanh(y)) / 2 as sigmoid(2 y), which keeps small values exact.
torch::Tensor normal_cdf(const torch::Tensor& x) {
  const double scale = 2 * std::sqrt(2 * std::numbers::inv_pi);
  return torch::sigmoid(scale * (x + 0.044715 * x * x * x));
}

torch::Tensor safe_log(const torch::Tensor& probability) {
  return probability.clamp_min(1e-12).log();
}

// KL(p || q) of two Gaussians in nats. `difference` is that of the means; q has `log_variance`, and
// the log variance of p is less by `excess`. expm1, as excess is nearly 0 for most timesteps.
torch::Tensor gaussian_divergence(const torch::Tensor& difference, const torch::Tensor& excess,
                                  const torch::Tensor& log_variance) {
  return 0.5 * (excess + torch::expm1(-excess) + difference.square() * torch::exp(-log_variance));
}

}  // namespace

// Both images are computed from the same x = signal x0 + sigma e, so x cancels. Computing them from x
// would subtract numbers of size 1 / signal.
double image_by_error(const NoiseSchedule& schedule, std::int64_t t, Prediction prediction) {
  const double alpha_bar = schedule.alpha_bar(t);
  switch (prediction) {
    case Prediction::kNoise:
      return std::sqrt((1 - alpha_bar) / alpha_bar);
    case Prediction::kVelocity:
      return std::sqrt(1 - alpha_bar);
    case Prediction::kImage:
      return -1;
  }
  return 0;
}

torch::Tensor discretized_log_likelihood(const torch::Tensor& pixels, const torch::Tensor& centered,
                                         const torch::Tensor& log_std, double minimum,
                                         double maximum) {
  const double half_value = (maximum - minimum) / 510;
  const torch::Tensor inverse_std = torch::exp(-log_std);
  // By symmetry the lower side is used, where differences of the distribution function are exact.
  const torch::Tensor distance = -centered.abs();
  const torch::Tensor between = normal_cdf(inverse_std * (distance + half_value)) -
                                normal_cdf(inverse_std * (distance - half_value));
  const torch::Tensor below = normal_cdf(inverse_std * (centered + half_value));
  const torch::Tensor above = normal_cdf(inverse_std * (half_value - centered));
  const double edge = (maximum - minimum) * 0.0005;
  return torch::where(pixels < minimum + edge, safe_log(below),
                      torch::where(pixels > maximum - edge, safe_log(above), safe_log(between)));
}

VariationalBound::VariationalBound(const NoiseSchedule& schedule, torch::Device device,
                                   Prediction prediction, double minimum, double maximum)
    : minimum_(minimum), maximum_(maximum) {
  std::vector<double> small, span, mean;
  for (std::int64_t t = 0; t < schedule.timesteps(); ++t) {
    // The posterior variance at t = 0 is 0, so that of t = 1 is used.
    const std::int64_t of = std::min(std::max<std::int64_t>(t, 1), schedule.timesteps() - 1);
    const double variance = of == 0 ? schedule.beta(0) : posterior(schedule, of, of - 1).variance;
    small.push_back(std::log(variance));
    span.push_back(std::log(schedule.beta(t) / variance));
    mean.push_back(posterior(schedule, t, t - 1).x0_coefficient *
                   image_by_error(schedule, t, prediction));
  }
  log_small_ = to_table(small, device);
  log_span_ = to_table(span, device);
  mean_by_error_ = to_table(mean, device);
}

torch::Tensor VariationalBound::terms(const torch::Tensor& x0, const torch::Tensor& t,
                                      const torch::Tensor& error,
                                      const torch::Tensor& range) const {
  const torch::Tensor excess = (range + 1) / 2 * per_image(log_span_, t);
  const torch::Tensor log_variance = per_image(log_small_, t) + excess;
  const torch::Tensor difference = per_image(mean_by_error_, t) * error;
  // At t = 0 the true mean is the image, so `difference` is pixel - mean.
  const torch::Tensor likelihood =
      discretized_log_likelihood(x0, difference, 0.5 * log_variance, minimum_, maximum_);
  const torch::Tensor divergence = gaussian_divergence(difference, excess, log_variance);
  const torch::Tensor nats = torch::where((t == 0).view({-1, 1, 1, 1}), -likelihood, divergence);
  return nats.mean({1, 2, 3}) / std::numbers::ln2;
}

}  // namespace ddpm
