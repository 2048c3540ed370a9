#include "ddpm/diffusion/sampler.h"

#include <cmath>

#include "ddpm/base/error.h"

namespace ddpm {

DdpmSampler::DdpmSampler(NoiseSchedule schedule, const SamplerOptions& options)
    : schedule_(std::move(schedule)),
      options_(options),
      grid_(time_grid(schedule_.timesteps(),
                      options.steps == 0 ? schedule_.timesteps() : options.steps,
                      options.spacing)) {}

torch::Tensor Sampler::step(const Predictor& predictor, const torch::Tensor& x, std::size_t i,
                            const StepNoise& noise) const {
  const std::int64_t t = grid()[i];
  const ops::StepCoefficients c = coefficients(i);
  const auto times = torch::TensorOptions().dtype(torch::kInt64).device(x.device());
  const torch::Tensor predicted = predictor(x, torch::full({x.size(0)}, t, times));
  return ops::diffusion_step(x, predicted, c.noise_std > 0 ? noise(x, t) : torch::Tensor(), c);
}

ops::StepCoefficients DdpmSampler::coefficients(std::size_t i) const {
  const std::int64_t t = grid_[i];
  const bool last = i + 1 == grid_.size();
  const Posterior q = posterior(schedule_, t, last ? -1 : grid_[i + 1]);
  const double alpha_bar = schedule_.alpha_bar(t);
  const double variance = options_.variance == Variance::kFixedLarge ? q.jump_beta : q.variance;
  return {.signal = std::sqrt(alpha_bar),
          .sigma = std::sqrt(1 - alpha_bar),
          .x0_coefficient = q.x0_coefficient,
          .x_coefficient = q.xt_coefficient,
          .noise_std = last ? 0 : std::sqrt(variance),
          .minimum = options_.minimum,
          .maximum = options_.maximum,
          .clip = options_.clip_x0};
}

std::unique_ptr<Sampler> make_sampler(const std::string& name, const NoiseSchedule& schedule,
                                      const SamplerOptions& options) {
  if (name == "ddpm") return std::make_unique<DdpmSampler>(schedule, options);
  throw ConfigError("sampling.sampler: unknown sampler '" + name + "'; known: ddpm");
}

Variance sane_variance(Variance trained, std::int64_t steps, std::int64_t timesteps) {
  return steps == 0 || steps == timesteps ? trained : Variance::kFixedSmall;
}

}  // namespace ddpm
