// Noise schedules and the closed forms of the forward process, in float64.
// Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models" (equation numbers below are this
// paper's).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// The tables beta_t and alpha_bar_t = prod_(i<=t) (1 - beta_i) for t = 0 .. T-1. The image at t = 0
// already has the noise of one step.
class NoiseSchedule {
 public:
  // linear:    beta from beta_start to beta_end (Ho et al.)
  // quadratic: sqrt(beta) linear from sqrt(beta_start) to sqrt(beta_end)
  // sigmoid:   beta = sigmoid(-6 .. 6) scaled into [beta_start, beta_end] (GeoDiff)
  // cosine:    Nichol and Dhariwal, "Improved DDPM", equation 17; beta clipped to 0.999; beta_start
  //            and beta_end are not used
  // With zero_terminal_snr, which needs at least two timesteps, alpha_bar is 0 at T-1.
  explicit NoiseSchedule(const DiffusionConfig& config);

  std::int64_t timesteps() const { return static_cast<std::int64_t>(betas_.size()); }
  const std::vector<double>& betas() const { return betas_; }
  const std::vector<double>& alpha_bars() const { return alpha_bars_; }
  double beta(std::int64_t t) const { return betas_.at(static_cast<std::size_t>(t)); }
  // Returns alpha_bar at t, and 1 for t = -1, the clean image.
  double alpha_bar(std::int64_t t) const {
    return t < 0 ? 1.0 : alpha_bars_.at(static_cast<std::size_t>(t));
  }

 private:
  std::vector<double> betas_;
  std::vector<double> alpha_bars_;
};

// Whether a table of betas is that of the schedule, to the precision of float32.
bool matches(const NoiseSchedule& schedule, std::span<const double> betas);

// The process whose noise schedule has these betas: `process` with other timesteps, schedule and
// ends. Nothing if no schedule has them.
std::optional<DiffusionConfig> schedule_of(std::span<const double> betas,
                                           const DiffusionConfig& process);

// q(x_s | x_t, x_0) = N(x0_coefficient * x_0 + xt_coefficient * x_t, variance), equations 6 and 7,
// for a jump from t to an earlier timestep s; s = -1 is the clean image. B = 1 - alpha_bar_t /
// alpha_bar_s, which is beta_t if s = t - 1.
struct Posterior {
  double x0_coefficient = 0;
  double xt_coefficient = 0;
  double variance = 0;   // "fixed small": B (1 - alpha_bar_s) / (1 - alpha_bar_t)
  double jump_beta = 0;  // B, "fixed large"
};
Posterior posterior(const NoiseSchedule& schedule, std::int64_t t, std::int64_t s);

}  // namespace ddpm
