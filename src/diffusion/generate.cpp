#include "ddpm/diffusion/generate.h"

#include <array>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/ops/diffusion_step.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

// The process's own, unless that fails for so few steps.
Variance automatic_variance(const Config& config, const SamplingConfig& sampling) {
  const Variance trained = config.diffusion.variance;
  const Variance sane = sane_variance(trained, sampling.steps, config.diffusion.timesteps);
  if (sane != trained)
    log_info(
        "variance: fixed_small instead of the configured fixed_large, which fails for {} of {} "
        "steps (sampling.variance decides otherwise)",
        sampling.steps, config.diffusion.timesteps);
  return sane;
}

Variance choose_variance(const Config& config, const SamplingConfig& sampling) {
  if (sampling.sampler != SamplerKind::kDdpm) return Variance::kFixedSmall;  // has no use for it
  switch (sampling.variance) {
    case SamplingVariance::kAuto:
      return automatic_variance(config, sampling);
    case SamplingVariance::kFixedSmall:
      return Variance::kFixedSmall;
    case SamplingVariance::kFixedLarge:
      return Variance::kFixedLarge;
  }
  return Variance::kFixedSmall;
}

}  // namespace

Generator::Generator(const Sampler& sampler, Predictor predictor, const GeneratorOptions& options)
    : sampler_(sampler),
      predictor_(std::move(predictor)),
      options_(options),
      inputs_(options.device, 2, std::tuple_size_v<ops::StepScalars>),
      replay_(options.device) {
  const ImageShape& shape = options.shape;
  x_ = torch::empty({options.count, shape.channels, shape.height, shape.width},
                    torch::TensorOptions().dtype(torch::kFloat32).device(options.device));
}

torch::Tensor Generator::draw_initial_noise(std::uint64_t first) const {
  const RandomKey key{
      .seed = options_.seed, .stream = RandomStream::kInitialNoise, .sample = first};
  return ops::random_normal(key, options_.count, x_.sizes().slice(1), options_.device);
}

torch::Tensor Generator::make(std::uint64_t first, const torch::Tensor& initial_noise,
                              const AfterStep& after_step) {
  torch::NoGradGuard no_grad;
  x_.copy_(initial_noise.defined() ? initial_noise : draw_initial_noise(first));
  const torch::Tensor times = inputs_.integers().narrow(0, 0, 1).expand({options_.count});
  for (std::size_t i = 0; i < sampler_.grid().size(); ++i) {
    const std::int64_t t = sampler_.grid()[i];
    const ops::StepCoefficients c = sampler_.coefficients(i);
    inputs_.set(std::array{t, static_cast<std::int64_t>(first)}, ops::kernel_scalars(c));
    const RandomKey key{.seed = options_.seed,
                        .stream = RandomStream::kStepNoise,
                        .step = static_cast<std::uint64_t>(t),
                        .sample = first};
    replay_([&] {
      torch::Tensor z;
      if (sampler_.adds_noise())
        z = ops::random_normal(ops::Draw(key, inputs_.integers()), options_.count,
                               x_.sizes().slice(1), options_.device);
      x_ = ops::diffusion_step(x_, predictor_(x_, times), z, c, inputs_.floats());
    });
    if (after_step && !after_step(i + 1, t, x_)) return {};
  }
  return x_.clone();
}

torch::Tensor generate(const Sampler& sampler, const Predictor& predictor,
                       const GenerateRequest& request) {
  Generator generator(sampler, predictor,
                      {.seed = request.seed,
                       .count = request.count,
                       .shape = request.shape,
                       .device = request.device});
  return generator.make(request.first, request.initial_noise, request.after_step);
}

torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device) {
  const ModelConfig& model = config.model;
  const std::int64_t label = config.sampling.class_label;
  if (model.class_embedding == ClassEmbeddingKind::kNone) {
    if (label < 0) return {};
    throw ConfigError(
        "sampling.class_label: this network knows no classes (model.class_embedding = \"none\")");
  }
  if (model.class_embedding == ClassEmbeddingKind::kIdentity)
    throw ConfigError(
        "model.class_embedding = \"identity\": images of this network are made from vectors, which "
        "only ddpm denoise takes");
  if (model.classes > 0 && label >= model.classes)
    throw ConfigError(
        format_text("sampling.class_label = {}: this network knows the classes 0 to {}", label,
                    model.classes - 1));
  if (label < 0 && model.classes == 0)
    throw ConfigError(
        "this network is class-conditional and does not say how many classes there are: choose one "
        "with --class");
  if (label >= 0)
    return torch::full({count}, label, torch::TensorOptions().dtype(torch::kInt64).device(device));
  return ops::random_integers({{.seed = seed, .stream = RandomStream::kClass, .sample = first}},
                              count, model.classes, device);
}

std::unique_ptr<Sampler> make_sampler_for(const Config& config, const SamplingConfig& sampling) {
  const bool unit = config.data.range == PixelRange::kUnit;
  return make_sampler(sampling.sampler, NoiseSchedule(config.diffusion),
                      {.steps = sampling.steps,
                       .spacing = sampling.spacing,
                       .steps_offset = sampling.steps_offset,
                       .prediction = config.diffusion.prediction_type,
                       .variance = choose_variance(config, sampling),
                       .eta = sampling.eta,
                       .use_clipped_model_output = sampling.use_clipped_model_output,
                       .set_alpha_to_one = sampling.set_alpha_to_one,
                       .clip_x0 = config.diffusion.clip_x0,
                       .minimum = unit ? 0.0 : -1.0,
                       .maximum = 1.0,
                       .threshold = config.diffusion.dynamic_threshold,
                       .threshold_max = config.diffusion.dynamic_threshold_max});
}

}  // namespace ddpm
