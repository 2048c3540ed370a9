#include "ddpm/diffusion/generate.h"

#include "ddpm/base/log.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

Variance choose_variance(const Config& config, const SamplerChoice& choice) {
  if (choice.variance != "auto") return parse_variance(choice.variance);
  const Variance trained = parse_variance(config.diffusion.variance);
  const Variance sane = sane_variance(trained, choice.steps, config.diffusion.timesteps);
  if (sane != trained)
    log_info(
        "variance: fixed_small instead of the configured fixed_large, which fails for {} of {} "
        "steps "
        "(sampling.variance decides otherwise)",
        choice.steps, config.diffusion.timesteps);
  return sane;
}

}  // namespace

torch::Tensor generate(const Sampler& sampler, const Predictor& predictor,
                       const GenerateRequest& request) {
  torch::NoGradGuard no_grad;
  const std::vector<std::int64_t> shape = {request.shape.channels, request.shape.height,
                                           request.shape.width};
  const RandomKey key{
      .seed = request.seed, .stream = RandomStream::kInitialNoise, .sample = request.first};
  torch::Tensor x = request.initial_noise.defined()
                        ? request.initial_noise.to(request.device)
                        : ops::random_normal(key, request.count, shape, request.device);
  const StepNoise noise = [&](const torch::Tensor& like, std::int64_t t) {
    RandomKey step_key = key.with_stream(RandomStream::kStepNoise);
    step_key.step = static_cast<std::uint64_t>(t);
    return ops::random_normal(step_key, like.size(0), shape, request.device);
  };
  for (std::size_t i = 0; i < sampler.grid().size(); ++i) {
    x = sampler.step(predictor, x, i, noise);
    if (request.after_step && !request.after_step(i + 1, sampler.grid()[i], x)) return {};
  }
  return x;
}

std::unique_ptr<Sampler> make_sampler_for(const Config& config, const SamplerChoice& choice) {
  const bool unit = config.data.range == "unit";
  return make_sampler(choice.name, NoiseSchedule(config.diffusion),
                      {.steps = choice.steps,
                       .spacing = choice.spacing,
                       .variance = choose_variance(config, choice),
                       .clip_x0 = config.diffusion.clip_x0,
                       .minimum = unit ? 0.0 : -1.0,
                       .maximum = 1.0});
}

}  // namespace ddpm
