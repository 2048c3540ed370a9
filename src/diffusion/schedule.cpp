#include "ddpm/diffusion/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ddpm {
namespace {

// Returns `count` values from first to last, both included.
std::vector<double> linspace(double first, double last, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count), first);
  for (std::size_t i = 1; i < values.size(); ++i)
    values[i] = first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1);
  return values;
}

std::vector<double> quadratic_betas(const DiffusionConfig& config) {
  std::vector<double> betas =
      linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), config.timesteps);
  for (double& beta : betas) beta *= beta;
  return betas;
}

std::vector<double> sigmoid_betas(const DiffusionConfig& config) {
  std::vector<double> betas = linspace(-6.0, 6.0, config.timesteps);
  for (double& beta : betas)
    beta = config.beta_start + (config.beta_end - config.beta_start) / (1.0 + std::exp(-beta));
  return betas;
}

std::vector<double> cosine_betas(const DiffusionConfig& config) {
  const auto f = [](double u) {
    const double c = std::cos((u + 0.008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> betas(static_cast<std::size_t>(config.timesteps));
  const auto total = static_cast<double>(config.timesteps);
  for (std::size_t i = 0; i < betas.size(); ++i) {
    const auto t = static_cast<double>(i);
    betas[i] = std::clamp(1.0 - f((t + 1) / total) / f(t / total), 0.0, 0.999);
  }
  return betas;
}

std::vector<double> make_betas(const DiffusionConfig& config) {
  switch (config.schedule) {
    case BetaSchedule::kLinear:
      return linspace(config.beta_start, config.beta_end, config.timesteps);
    case BetaSchedule::kCosine:
      return cosine_betas(config);
    case BetaSchedule::kQuadratic:
      return quadratic_betas(config);
    case BetaSchedule::kSigmoid:
      return sigmoid_betas(config);
  }
  return {};
}

// Makes the last alpha_bar 0: sqrt(alpha_bar) is shifted so that its last value is 0, then scaled
// so that its first value is as before. Lin et al., "Common Diffusion Noise Schedules and Sample
// Steps are Flawed", algorithm 1.
void end_in_noise(std::vector<double>& betas, std::vector<double>& alpha_bars) {
  const double first = std::sqrt(alpha_bars.front()), last = std::sqrt(alpha_bars.back());
  for (double& alpha_bar : alpha_bars) {
    const double root = (std::sqrt(alpha_bar) - last) * (first / (first - last));
    alpha_bar = root * root;
  }
  for (std::size_t t = 1; t < betas.size(); ++t) betas[t] = 1.0 - alpha_bars[t] / alpha_bars[t - 1];
}

}  // namespace

NoiseSchedule::NoiseSchedule(const DiffusionConfig& config) : betas_(make_betas(config)) {
  double product = 1.0;
  for (const double beta : betas_) alpha_bars_.push_back(product *= 1.0 - beta);
  if (config.zero_terminal_snr) end_in_noise(betas_, alpha_bars_);
}

bool matches(const NoiseSchedule& schedule, std::span<const double> betas) {
  constexpr double kRounding = 1e-5;  // relative; cosine loses digits near t = 0 in float32
  return std::ranges::equal(schedule.betas(), betas, [](double a, double b) {
    return std::abs(a - b) <= kRounding * std::abs(a) + 1e-9;
  });
}

std::optional<DiffusionConfig> schedule_of(std::span<const double> betas,
                                           const DiffusionConfig& process) {
  if (betas.empty()) return std::nullopt;
  DiffusionConfig candidate = process;
  candidate.timesteps = static_cast<std::int64_t>(betas.size());
  candidate.zero_terminal_snr = false;
  for (const BetaSchedule schedule : kChoices<BetaSchedule>) {
    candidate.schedule = schedule;
    const bool has_ends = schedule != BetaSchedule::kCosine;
    candidate.beta_start = has_ends ? betas.front() : process.beta_start;
    candidate.beta_end = has_ends ? betas.back() : process.beta_end;
    if (matches(NoiseSchedule(candidate), betas)) return candidate;
  }
  return std::nullopt;
}

Posterior posterior(const NoiseSchedule& schedule, std::int64_t t, std::int64_t s) {
  const double alpha_bar_t = schedule.alpha_bar(t);
  const double alpha_bar_s = schedule.alpha_bar(s);
  Posterior p;
  p.jump_beta = t == s + 1 ? schedule.beta(t) : 1.0 - alpha_bar_t / alpha_bar_s;
  p.x0_coefficient = std::sqrt(alpha_bar_s) * p.jump_beta / (1.0 - alpha_bar_t);
  p.xt_coefficient = std::sqrt(1.0 - p.jump_beta) * (1.0 - alpha_bar_s) / (1.0 - alpha_bar_t);
  p.variance = p.jump_beta * (1.0 - alpha_bar_s) / (1.0 - alpha_bar_t);
  return p;
}

}  // namespace ddpm
