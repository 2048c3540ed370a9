#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json_keys.h"
#include "ddpm/interop/diffusers.h"
#include "solvers.h"
#include "words.h"

namespace ddpm {
namespace {

void read_process(JsonKeys& keys, DiffusionConfig& diffusion) {
  diffusion.timesteps = keys.integer("num_train_timesteps", 1000);
  if (diffusion.timesteps < 1 || diffusion.timesteps > 1'000'000)
    keys.fail("num_train_timesteps", "must be in [1, 1000000]");
  diffusion.beta_start = keys.number("beta_start", 1e-4);
  diffusion.beta_end = keys.number("beta_end", 0.02);
  for (const auto& [key, beta] :
       {std::pair{"beta_start", diffusion.beta_start}, {"beta_end", diffusion.beta_end}})
    if (!(beta > 0 && beta < 1)) keys.fail(key, "must be in (0, 1)");
  diffusion.schedule = keys.word("beta_schedule", "linear", kSchedules);
  keys.require("trained_betas", nullptr);
  diffusion.prediction_type = keys.word("prediction_type", "epsilon", kPredictions);
  diffusion.zero_terminal_snr = keys.boolean("rescale_betas_zero_snr", false);
  if (diffusion.zero_terminal_snr && diffusion.prediction_type == Prediction::kNoise)
    keys.fail("rescale_betas_zero_snr",
              "not supported with prediction_type epsilon, which divides by zero at the last "
              "timestep; v_prediction and sample are");
  if (diffusion.zero_terminal_snr && diffusion.timesteps == 1)
    keys.fail("rescale_betas_zero_snr", "needs at least two timesteps");
}

void read_threshold(JsonKeys& keys, DiffusionConfig& diffusion) {
  const bool wanted = keys.boolean("thresholding", false);
  const double ratio = keys.number("dynamic_thresholding_ratio", 0.995);
  const double most = keys.number("sample_max_value", 1);
  if (!wanted) return;
  if (!(ratio > 0 && ratio <= 1)) keys.fail("dynamic_thresholding_ratio", "must be in (0, 1]");
  if (!(most >= 1 && most <= 1e6)) keys.fail("sample_max_value", "must be in [1, 1e6]");
  diffusion.dynamic_threshold = ratio;
  diffusion.dynamic_threshold_max = most;
}

// Most of these classes do not clip, but thresholds of at most 1 are the same as clipping to [-1, 1].
void read_clipping_of_solver(JsonKeys& keys, DiffusionConfig& diffusion) {
  diffusion.clip_x0 = keys.boolean("clip_sample", false);
  read_threshold(keys, diffusion);
  if (diffusion.dynamic_threshold == 0 || diffusion.dynamic_threshold_max != 1) return;
  diffusion.dynamic_threshold = 0;
  diffusion.clip_x0 = true;
}

// Reads the keys that DDPMScheduler and DDIMScheduler have in common.
void read_sampling(JsonKeys& keys, Config& config) {
  config.diffusion.clip_x0 = keys.boolean("clip_sample", true);
  if (config.diffusion.clip_x0 && keys.number("clip_sample_range", 1.0) != 1.0)
    keys.fail("clip_sample_range", "not supported; only 1 is");
  static_cast<void>(keys.find("clip_sample_range"));
  read_threshold(keys, config.diffusion);
  const auto spacing = value_of(kSpacings, keys.text("timestep_spacing", "leading"));
  if (!spacing) keys.fail("timestep_spacing", "must be leading, trailing or linspace");
  config.sampling.spacing = *spacing;
  config.sampling.steps_offset = keys.integer("steps_offset", 0);
  if (config.sampling.steps_offset < 0 || config.sampling.steps_offset > 1'000'000)
    keys.fail("steps_offset", "must be in [0, 1000000]");
}

// With `linspace`, DDIMScheduler does not go to the next time of the grid.
void warn_of_uneven_steps(const std::string& name, const SamplingConfig& sampling) {
  if (sampling.spacing == Spacing::kLinspace)
    log_warning(
        "{}: DDIMScheduler always subtracts the same whole number of timesteps, so it misses the "
        "times of linspace; here each step goes to the next time",
        name);
}

// DDIMScheduler does not support networks that predict a variance.
bool is_ddim(const Config& config) {
  return config.sampling.sampler == SamplerKind::kDdim && !config.model.predicts_variance;
}

std::string scheduler_class(const Config& config) {
  const SamplerKind kind = config.sampling.sampler;
  if (is_ddim(config)) return "DDIMScheduler";
  if (kind == SamplerKind::kDdpm || kind == SamplerKind::kDdim) return "DDPMScheduler";
  return solver_class(kind);
}

// The keys of DDPMScheduler or DDIMScheduler beside those of every scheduler.
nlohmann::json own_keys(const Config& config) {
  const DiffusionConfig& diffusion = config.diffusion;
  if (diffusion.schedule == BetaSchedule::kSigmoid && is_ddim(config))
    throw ConfigError(
        format_text("diffusion.schedule = \"{}\": DDIMScheduler of diffusers has no such schedule",
                    diffusion.schedule));
  const bool thresholding = diffusion.dynamic_threshold > 0;
  nlohmann::json keys = {
      {"clip_sample", diffusion.clip_x0},
      {"clip_sample_range", 1.0},
      {"dynamic_thresholding_ratio", thresholding ? diffusion.dynamic_threshold : 0.995},
      {"rescale_betas_zero_snr", diffusion.zero_terminal_snr},
      {"sample_max_value", diffusion.dynamic_threshold_max},
      {"thresholding", thresholding}};
  if (is_ddim(config))
    keys["set_alpha_to_one"] = config.sampling.set_alpha_to_one;
  else
    keys["variance_type"] = word_for(kVariances, diffusion.variance);
  return keys;
}

std::string_view spacing_word(const SamplingConfig& sampling) {
  if (!sampling.timesteps.empty())
    throw ConfigError(
        "sampling.timesteps: the schedulers of diffusers have no place for them in their files, only "
        "in calls of set_timesteps; set sampling.timesteps=[]");
  const std::string_view word = word_for(kSpacings, sampling.spacing);
  if (word.empty())
    throw ConfigError(
        format_text("sampling.spacing = \"{}\": diffusers has no such spacing; choose linspace, "
                    "leading or trailing, with --spacing",
                    sampling.spacing));
  return word;
}

// Whether DDPMPipeline draws images with a scheduler: it neither scales the network's input nor begins
// with another variance than 1, as EulerDiscreteScheduler and its like need, and it gives steps a
// generator.
bool suits_ddpm_pipeline(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kDdpm:
    case SamplerKind::kDdim:
    case SamplerKind::kDpmSolver2m:
    case SamplerKind::kDpmSolver3m:
    case SamplerKind::kDpmSolver2mSde:
    case SamplerKind::kDpmSolver3mSde:
    case SamplerKind::kLcm:
      return true;
    default:
      return false;
  }
}

}  // namespace

void apply_scheduler_config(const nlohmann::json& scheduler, const std::string& name,
                            Config& config) {
  JsonKeys keys(scheduler, name);
  read_process(keys, config.diffusion);
  const std::string class_name = keys.text("_class_name", "DDPMScheduler");
  config.sampling.use_clipped_model_output = false;  // as in diffusers' pipelines
  if (class_name == "DDPMScheduler") {
    read_sampling(keys, config);
    config.diffusion.variance = keys.word("variance_type", "fixed_small", kVariances);
    return;
  }
  config.diffusion.variance = Variance::kFixedSmall;
  if (class_name == "DDIMScheduler") {
    read_sampling(keys, config);
    config.sampling.sampler = SamplerKind::kDdim;
    config.sampling.set_alpha_to_one = keys.boolean("set_alpha_to_one", true);
    warn_of_uneven_steps(name, config.sampling);
    return;
  }
  // Other schedulers sample the same process, some in ways that this program does not have.
  const std::string reason = apply_solver(keys, class_name, config);
  if (reason.empty()) return read_clipping_of_solver(keys, config.diffusion);
  log_info(
      "{}: only the noise schedule of {} is used ({}); sampling here is ancestral DDPM with "
      "fixed_small, or what --sampler says",
      name, class_name, reason);
}

nlohmann::ordered_json scheduler_config(const Config& config) {
  if (config.data.range != PixelRange::kSymmetric)
    throw ConfigError(format_text(
        "data.range = \"{}\": pipelines of diffusers expect images in [-1, 1]", config.data.range));
  // Sorted, as diffusers writes them.
  nlohmann::json result =
      config.sampling.sampler == SamplerKind::kDdpm || config.sampling.sampler == SamplerKind::kDdim
          ? own_keys(config)
          : solver_keys(config);
  const DiffusionConfig& diffusion = config.diffusion;
  result.update({{"_class_name", scheduler_class(config)},
                 {"_diffusers_version", "0.42.1"},
                 {"beta_end", diffusion.beta_end},
                 {"beta_schedule", word_for(kSchedules, diffusion.schedule)},
                 {"beta_start", diffusion.beta_start},
                 {"num_train_timesteps", diffusion.timesteps},
                 {"prediction_type", word_for(kPredictions, diffusion.prediction_type)},
                 {"steps_offset", config.sampling.steps_offset},
                 {"timestep_spacing", spacing_word(config.sampling)},
                 {"trained_betas", nullptr}});
  return result;
}

std::string other_process(const nlohmann::json& scheduler) {
  if (!scheduler.is_object() || !scheduler.contains("_class_name")) return "";
  const nlohmann::json& name = scheduler["_class_name"];
  if (name == "DDPMScheduler" || name == "DDIMScheduler") return "";
  const bool is_flow = scheduler.value("use_flow_sigmas", nlohmann::json()) == true ||
                       scheduler.value("prediction_type", nlohmann::json()) == "flow_prediction";
  if (scheduler.contains("beta_schedule") && !is_flow) return "";
  return format_text(
      "its scheduler, {}, belongs to another process than DDPM's{}, which would need a sampler of "
      "its own",
      shorten(name.is_string() ? name.get<std::string>() : name.dump()),
      is_flow ? " (flow matching)" : ": it has no beta_schedule");
}

std::string autoencoder_of(const nlohmann::json& index) {
  if (!index.is_object()) return "";
  for (const char* part : {"vqvae", "vae", "first_stage_model", "movq"})
    if (const auto found = index.find(part); found != index.end() && !found->is_null())
      return format_text("{} of {}", part,
                         shorten(index.value("_class_name", std::string("its pipeline"))));
  return "";
}

nlohmann::ordered_json pipeline_index(const Config& config) {
  if (!suits_ddpm_pipeline(config.sampling.sampler)) return nullptr;
  return {{"_class_name", is_ddim(config) ? "DDIMPipeline" : "DDPMPipeline"},
          {"_diffusers_version", "0.42.1"},
          {"scheduler", {"diffusers", scheduler_class(config)}},
          {"unet", {"diffusers", "UNet2DModel"}}};
}

}  // namespace ddpm
