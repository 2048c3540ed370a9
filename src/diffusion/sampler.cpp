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

torch::Tensor DdpmSampler::step(const Predictor& predictor, const torch::Tensor& x, std::size_t i,
                                const StepNoise& noise) const {
  const std::int64_t t = grid_[i];
  const bool last = i + 1 == grid_.size();
  const Posterior q = posterior(schedule_, t, last ? -1 : grid_[i + 1]);
  const double alpha_bar = schedule_.alpha_bar(t);

  const torch::Tensor times =
      torch::full({x.size(0)}, t, torch::TensorOptions().dtype(torch::kInt64).device(x.device()));
  const torch::Tensor epsilon = predictor(x, times);
  torch::Tensor x0 = (x - std::sqrt(1 - alpha_bar) * epsilon) / std::sqrt(alpha_bar);
  if (options_.clip_x0) x0 = x0.clamp(options_.minimum, options_.maximum);
  const torch::Tensor mean = q.x0_coefficient * x0 + q.xt_coefficient * x;
  if (last) return mean;
  const double variance = options_.variance == Variance::kFixedLarge ? q.jump_beta : q.variance;
  return mean + std::sqrt(variance) * noise(x, t);
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
