#include "ddpm/sampling/setup.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/ops/random.h"

namespace ddpm {
namespace {

// The variance of the process, unless it fails for so few steps.
Variance automatic_variance(const Config& config, const SamplingConfig& sampling) {
  const Variance trained = config.diffusion.variance;
  const std::int64_t steps = step_count(sampling, config.diffusion.timesteps);
  const Variance chosen = variance_for_steps(trained, steps, config.diffusion.timesteps);
  if (chosen != trained)
    log_info(
        "variance: using fixed_small instead of the configured fixed_large, which fails for {} of "
        "{} steps (set sampling.variance to change this)",
        steps, config.diffusion.timesteps);
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

// Throws unless the network has these classes.
void check_asked_classes(const ModelConfig& model, std::span<const std::int64_t> classes) {
  if (model.class_embedding == ClassEmbeddingKind::kNone)
    throw ConfigError(
        "sampling.class_label: this network is unconditional (model.class_embedding = \"none\")");
  for (const std::int64_t label : classes)
    if (model.classes > 0 && label >= class_rows(model))
      throw ConfigError(format_text("sampling.class_label = {}: this network has classes 0 to {}",
                                    label, model.classes - 1));
}

void set_guidance(SamplerPlan& plan, const SamplingConfig& sampling) {
  for (ops::SamplerStep& row : plan.steps) {
    const double kappa = row.sigma / row.signal;  // infinite where there is no signal
    const bool below = sampling.guidance_high == 0 || kappa <= sampling.guidance_high;
    if (below && kappa > sampling.guidance_low) row.guidance = sampling.guidance;
  }
}

SamplerOptions options_for(const Config& config, const SamplingConfig& sampling) {
  const bool unit = config.data.range == PixelRange::kUnit;
  return {.steps = sampling.steps,
          .spacing = sampling.spacing,
          .steps_offset = sampling.steps_offset,
          .timesteps = sampling.timesteps,
          .sigmas = sampling.sigmas,
          .sigma_min = sampling.sigma_min,
          .sigma_max = sampling.sigma_max,
          .prediction = config.diffusion.prediction_type,
          .variance = choose_variance(config, sampling),
          .eta = sampling.eta,
          .use_clipped_model_output = sampling.use_clipped_model_output,
          .set_alpha_to_one = sampling.set_alpha_to_one,
          .churn = {.amount = sampling.churn,
                    .low = sampling.churn_low,
                    .high = sampling.churn_high,
                    .noise = sampling.churn_noise},
          .clip_x0 = config.diffusion.clip_x0,
          .minimum = unit ? 0.0 : -1.0,
          .maximum = 1.0,
          .threshold = config.diffusion.dynamic_threshold,
          .threshold_max = config.diffusion.dynamic_threshold_max};
}

SamplerOptions unclipped_options(const Config& config, const SamplingConfig& sampling) {
  SamplingConfig plain = sampling;
  plain.sampler = SamplerKind::kDdim;
  SamplerOptions options = options_for(config, plain);
  options.eta = 0;
  options.clip_x0 = false;
  options.threshold = 0;
  return options;
}

// How many of the first steps are not made.
std::int64_t skipped_steps(std::int64_t steps, double strength) {
  // 0.29 * 100 is a little less than 29 in float64.
  const auto made =
      static_cast<std::int64_t>(std::floor(static_cast<double>(steps) * strength + 1e-9));
  if (made < 1)
    throw ConfigError(format_text(
        "--strength: {} of {} is less than one step; use at least {:.2g}, or more --steps",
        strength, counted(steps, "step"), 1.0 / static_cast<double>(steps)));
  return steps - std::min(made, steps);
}

}  // namespace

Variance variance_for_steps(Variance trained, std::int64_t steps, std::int64_t timesteps) {
  const bool fails = trained == Variance::kFixedLarge && steps != 0 && steps != timesteps;
  return fails ? Variance::kFixedSmall : trained;
}

torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device,
                           std::span<const std::int64_t> classes) {
  const ModelConfig& model = config.model;
  const std::int64_t label = config.sampling.class_label;
  if (classes.empty() && label >= 0) classes = {&label, 1};
  if (!classes.empty()) check_asked_classes(model, classes);
  if (model.class_embedding == ClassEmbeddingKind::kNone) return {};
  if (model.class_embedding == ClassEmbeddingKind::kIdentity)
    throw ConfigError(
        "model.class_embedding = \"identity\": this network needs a vector for each image, which "
        "only ddpm denoise can give it");
  if (classes.empty() && model.classes == 0)
    throw ConfigError(
        "this network is class-conditional, but its number of classes is unknown: choose a class "
        "with --class");
  if (classes.empty())
    return ops::random_integers({{.seed = seed, .stream = RandomStream::kClass, .sample = first}},
                                count, model.classes, device);
  std::vector<std::int64_t> labels;
  for (std::uint64_t i = first; i < first + static_cast<std::uint64_t>(count); ++i)
    labels.push_back(classes[i % classes.size()]);
  return torch::tensor(labels, torch::kInt64).to(device);
}

std::optional<Guidance> guidance_for(const Config& config, const Predictor& guide,
                                     torch::Device device, const Condition& negative_text) {
  const ModelConfig& model = config.model;
  const SamplingConfig& sampling = config.sampling;
  if (sampling.guidance == 1) return std::nullopt;
  if (guide) return Guidance{.guide = guide, .rescale = sampling.guidance_rescale};
  if (negative_text.context.defined())
    return Guidance{.negative = negative_text, .rescale = sampling.guidance_rescale};
  if (model.class_embedding == ClassEmbeddingKind::kNone)
    throw ConfigError(
        "sampling.guidance: this network is unconditional, so there is no class to lead images to; "
        "--guide-model PATH can lead them away from a weaker model");
  const std::int64_t negative = sampling.negative_class;
  if (negative >= 0) check_asked_classes(model, {&negative, 1});
  if (negative < 0 && !model.null_class)
    throw ConfigError(
        "sampling.guidance: this network has no null class, which guidance leads away from; train it "
        "with model.null_class=true and training.label_dropout=0.1, or name another class with "
        "--negative-class, or a weaker model with --guide-model. If the last row of its table is for "
        "images of no class, say so: --set model.null_class=true --set model.classes=N, without it");
  const auto label = torch::full({1}, negative < 0 ? model.classes : negative,
                                 torch::TensorOptions().dtype(torch::kInt64).device(device));
  return Guidance{.negative = {.labels = label}, .rescale = sampling.guidance_rescale};
}

void check_guide(const Config& model, const Config& guide) {
  const auto refuse = [](const std::string& reason) {
    throw ConfigError("--guide-model: " + reason);
  };
  for (const char* key : {"diffusion.timesteps", "diffusion.schedule", "diffusion.beta_start",
                          "diffusion.beta_end", "diffusion.prediction_type",
                          "diffusion.zero_terminal_snr", "data.channels", "data.range"}) {
    const std::string own = value_text(find_field(key)->value(model)),
                      other = value_text(find_field(key)->value(guide));
    if (own != other)
      refuse(format_text("its {} is {}, and that of the model is {}; both must be the same", key,
                         other, own));
  }
  const std::int64_t factor = size_factor(guide.model);
  if (model.data.height % factor != 0 || model.data.width % factor != 0)
    refuse(
        format_text("it needs images whose sides are multiples of {}, and the model's have {}x{}",
                    factor, model.data.width, model.data.height));
  if (guide.model.class_embedding == ClassEmbeddingKind::kNone) return;
  if (guide.model.class_embedding != model.model.class_embedding ||
      class_rows(guide.model) < class_rows(model.model))
    refuse("its classes are not those of the model; take one with the same classes, or without");
}

SamplerPlan sampler_plan_for(const Config& config, const SamplingConfig& sampling) {
  SamplerPlan plan = sampler_plan(sampling.sampler, NoiseSchedule(config.diffusion),
                                  options_for(config, sampling));
  if (sampling.guidance != 1) set_guidance(plan, sampling);
  return plan;
}

SamplerPlan picture_plan_for(const Config& config, const SamplingConfig& sampling,
                             double strength) {
  const NoiseSchedule schedule(config.diffusion);
  SamplerOptions options = options_for(config, sampling);
  options.from_picture = true;
  options.skip = skipped_steps(step_count(sampling, config.diffusion.timesteps), strength);
  SamplerPlan plan = sampler_plan(sampling.sampler, schedule, options);
  if (sampling.guidance != 1) set_guidance(plan, sampling);
  return plan;
}

SamplerPlan inpainting_plan_for(const Config& config, const SamplingConfig& sampling,
                                double strength, const Jumps& jumps) {
  SamplerPlan plan = picture_plan_for(config, sampling, strength);
  if (strength == 1) {
    plan.start_image = 0;
    plan.start_noise = 1;
  }
  if (jumps.times == 1) return keep_known_pixels(std::move(plan));
  if (plan.switches.variance == ops::VarianceChannels::kIgnored) return repaint(plan, jumps);
  log_info(
      "variance: using fixed_small instead of the network's, because RePaint's jumps add noise of "
      "their own to it");
  SamplingConfig fixed = sampling;
  fixed.variance = SamplingVariance::kFixedSmall;
  return inpainting_plan_for(config, fixed, strength, jumps);
}

SamplerPlan inversion_plan_for(const Config& config, const SamplingConfig& sampling) {
  return ddim_inversion_plan(NoiseSchedule(config.diffusion), unclipped_options(config, sampling));
}

SamplerPlan reconstruction_plan_for(const Config& config, const SamplingConfig& sampling) {
  return ddim_plan(NoiseSchedule(config.diffusion), unclipped_options(config, sampling));
}

torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double w) {
  const auto sum = [](const torch::Tensor& x) { return x.sum({1, 2, 3}, /*keepdim=*/true); };
  const torch::Tensor cosine = sum(a * b) / (sum(a * a).sqrt() * sum(b * b).sqrt());
  const torch::Tensor angle = cosine.clamp(-1, 1).acos(), sine = angle.sin();
  const torch::Tensor along = (((1 - w) * angle).sin() * a + (w * angle).sin() * b) / sine;
  return torch::where(sine > 1e-4, along, (1 - w) * a + w * b);
}

}  // namespace ddpm
