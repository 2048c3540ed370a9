#include "ddpm/sampling/setup.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

// The variance of the process, unless it fails for so few steps.
Variance automatic_variance(const Config& config, const SamplingConfig& sampling) {
  const Variance trained = config.diffusion.variance;
  const Variance chosen = variance_for_steps(trained, sampling.steps, config.diffusion.timesteps);
  if (chosen != trained)
    log_info(
        "variance: using fixed_small instead of the configured fixed_large, which fails for {} of "
        "{} steps (set sampling.variance to change this)",
        sampling.steps, config.diffusion.timesteps);
  return chosen;
}

Variance choose_variance(const Config& config, const SamplingConfig& sampling) {
  if (sampling.sampler != SamplerKind::kDdpm) return Variance::kFixedSmall;  // it is not used
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

Variance variance_for_steps(Variance trained, std::int64_t steps, std::int64_t timesteps) {
  const bool fails = trained == Variance::kFixedLarge && steps != 0 && steps != timesteps;
  return fails ? Variance::kFixedSmall : trained;
}

torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device) {
  const ModelConfig& model = config.model;
  const std::int64_t label = config.sampling.class_label;
  if (model.class_embedding == ClassEmbeddingKind::kNone) {
    if (label < 0) return {};
    throw ConfigError(
        "sampling.class_label: this network is unconditional (model.class_embedding = \"none\")");
  }
  if (model.class_embedding == ClassEmbeddingKind::kIdentity)
    throw ConfigError(
        "model.class_embedding = \"identity\": this network needs a vector for each image, which "
        "only ddpm denoise can give it");
  if (model.classes > 0 && label >= model.classes)
    throw ConfigError(format_text("sampling.class_label = {}: this network has classes 0 to {}",
                                  label, model.classes - 1));
  if (label < 0 && model.classes == 0)
    throw ConfigError(
        "this network is class-conditional, but its number of classes is unknown: choose a class "
        "with --class");
  if (label >= 0)
    return torch::full({count}, label, torch::TensorOptions().dtype(torch::kInt64).device(device));
  return ops::random_integers({{.seed = seed, .stream = RandomStream::kClass, .sample = first}},
                              count, model.classes, device);
}

SamplerPlan sampler_plan_for(const Config& config, const SamplingConfig& sampling) {
  const bool unit = config.data.range == PixelRange::kUnit;
  return sampler_plan(sampling.sampler, NoiseSchedule(config.diffusion),
                      {.steps = sampling.steps,
                       .spacing = sampling.spacing,
                       .steps_offset = sampling.steps_offset,
                       .sigmas = sampling.sigmas,
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
