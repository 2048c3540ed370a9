#include "ddpm/diffusion/sampler.h"

#include <algorithm>
#include <cmath>

namespace ddpm {
namespace {

std::vector<std::int64_t> grid_of(const NoiseSchedule& schedule, const SamplerOptions& options) {
  const std::int64_t all = schedule.timesteps();
  return time_grid(all, options.steps == 0 ? all : options.steps, options.spacing,
                   options.steps_offset);
}

// What does not depend on the rule of the step.
ops::StepCoefficients at_time(const NoiseSchedule& schedule, std::int64_t t,
                              const SamplerOptions& options) {
  const double alpha_bar = schedule.alpha_bar(t);
  return {.signal = std::sqrt(alpha_bar),
          .sigma = std::sqrt(1 - alpha_bar),
          .minimum = options.minimum,
          .maximum = options.maximum,
          .clip = options.clip_x0,
          .threshold = options.threshold,
          .threshold_max = options.threshold_max,
          .prediction = options.prediction};
}

// What the network's second half of channels is for.
ops::VarianceChannels channels_of(Variance variance) {
  switch (variance) {
    case Variance::kLearnedRange:
      return ops::VarianceChannels::kRange;
    case Variance::kLearned:
      return ops::VarianceChannels::kItself;
    case Variance::kFixedLarge:
    case Variance::kFixedSmall:
      break;
  }
  return ops::VarianceChannels::kIgnored;
}

}  // namespace

Sampler::Sampler(NoiseSchedule schedule, const SamplerOptions& options)
    : schedule_(std::move(schedule)), options_(options), grid_(grid_of(schedule_, options)) {}

torch::Tensor Sampler::step(const Predictor& predictor, const torch::Tensor& x, std::size_t i,
                            const StepNoise& noise) const {
  const std::int64_t t = grid()[i];
  const ops::StepCoefficients c = coefficients(i);
  const auto times = torch::TensorOptions().dtype(torch::kInt64).device(x.device());
  const torch::Tensor predicted = predictor(x, torch::full({x.size(0)}, t, times));
  return ops::diffusion_step(x, predicted, c.noise_std > 0 ? noise(x, t) : torch::Tensor(), c);
}

ops::StepCoefficients DdpmSampler::coefficients(std::size_t i) const {
  const std::int64_t t = grid()[i];
  const bool last = i + 1 == grid().size();
  const Posterior q = posterior(schedule_, t, last ? -1 : grid()[i + 1]);
  ops::StepCoefficients c = at_time(schedule_, t, options_);
  c.x0_coefficient = q.x0_coefficient;
  c.x_coefficient = q.xt_coefficient;
  c.variance = channels_of(options_.variance);
  if (last) return c;
  const bool by_network = c.variance != ops::VarianceChannels::kIgnored;
  const bool large = options_.variance == Variance::kFixedLarge;
  c.noise_std = by_network ? 1 : std::sqrt(large ? q.jump_beta : q.variance);
  c.log_variance_small = std::log(q.variance);
  c.log_variance_large = std::log(q.jump_beta);
  return c;
}

ops::StepCoefficients DdimSampler::coefficients(std::size_t i) const {
  const std::int64_t t = grid()[i];
  const bool last = i + 1 == grid().size();
  const std::int64_t end = options_.set_alpha_to_one ? -1 : 0;
  const double from = schedule_.alpha_bar(t), to = schedule_.alpha_bar(last ? end : grid()[i + 1]);
  ops::StepCoefficients c = at_time(schedule_, t, options_);
  c.noise_std = options_.eta * std::sqrt((1 - to) / (1 - from) * std::max(0.0, 1 - from / to));
  const double direction = std::sqrt(std::max(0.0, 1 - to - c.noise_std * c.noise_std));
  const bool changes_image = options_.clip_x0 || options_.threshold > 0;
  c.keeps_noise = changes_image && !options_.use_clipped_model_output;
  if (c.keeps_noise) {
    c.x0_coefficient = std::sqrt(to);
    c.noise_coefficient = direction;
  } else {  // the noise is (x - signal x0) / sigma
    c.x0_coefficient = std::sqrt(to) - direction * c.signal / c.sigma;
    c.x_coefficient = direction / c.sigma;
  }
  return c;
}

std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule,
                                      const SamplerOptions& options) {
  switch (kind) {
    case SamplerKind::kDdpm:
      return std::make_unique<DdpmSampler>(schedule, options);
    case SamplerKind::kDdim:
      return std::make_unique<DdimSampler>(schedule, options);
  }
  return nullptr;
}

Variance sane_variance(Variance trained, std::int64_t steps, std::int64_t timesteps) {
  const bool fails = trained == Variance::kFixedLarge && steps != 0 && steps != timesteps;
  return fails ? Variance::kFixedSmall : trained;
}

}  // namespace ddpm
