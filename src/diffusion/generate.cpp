#include "ddpm/diffusion/generate.h"

#include <array>

#include "ddpm/base/log.h"
#include "ddpm/ops/diffusion_step.h"
#include "ddpm/ops/random.h"
#include "ddpm/ops/replay.h"

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
                        ? request.initial_noise.to(request.device, torch::kFloat32).clone()
                        : ops::random_normal(key, request.count, shape, request.device);

  // Timestep, which is also the step of the noise, and first sample; then the coefficients.
  ops::StepInputs inputs(request.device, 2, 8);
  const torch::Tensor times = inputs.integers().narrow(0, 0, 1).expand({x.size(0)});
  ops::Replay replay(request.device);
  for (std::size_t i = 0; i < sampler.grid().size(); ++i) {
    const std::int64_t t = sampler.grid()[i];
    const ops::StepCoefficients c = sampler.coefficients(i);
    inputs.set(std::array{t, static_cast<std::int64_t>(request.first)}, ops::kernel_scalars(c));
    RandomKey step_key = key.with_stream(RandomStream::kStepNoise);
    step_key.step = static_cast<std::uint64_t>(t);
    replay([&] {
      const torch::Tensor z = ops::random_normal(ops::Draw(step_key, inputs.integers()), x.size(0),
                                                 shape, request.device);
      x = ops::diffusion_step(x, predictor(x, times), z, c, inputs.floats());
    });
    if (request.after_step && !request.after_step(i + 1, t, x)) return {};
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
