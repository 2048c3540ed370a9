#include <array>

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/interop/diffusers.h"
#include "json_keys.h"

namespace ddpm {
namespace {

struct SchedulePair {
  const char* own;
  const char* diffusers;
};
constexpr std::array<SchedulePair, 4> kSchedules = {{{"linear", "linear"},
                                                     {"quadratic", "scaled_linear"},
                                                     {"cosine", "squaredcos_cap_v2"},
                                                     {"sigmoid", "sigmoid"}}};

void read_process(JsonKeys& keys, DiffusionConfig& diffusion) {
  diffusion.timesteps = keys.integer("num_train_timesteps", 1000);
  if (diffusion.timesteps < 1 || diffusion.timesteps > 1'000'000)
    keys.fail("num_train_timesteps", "must be in [1, 1000000]");
  diffusion.beta_start = keys.number("beta_start", 1e-4);
  diffusion.beta_end = keys.number("beta_end", 0.02);
  for (const auto& [key, beta] :
       {std::pair{"beta_start", diffusion.beta_start}, {"beta_end", diffusion.beta_end}})
    if (!(beta > 0 && beta < 1)) keys.fail(key, "must be in (0, 1)");
  const std::string schedule = keys.text("beta_schedule", "linear");
  diffusion.schedule.clear();
  for (const SchedulePair& pair : kSchedules)
    if (schedule == pair.diffusers) diffusion.schedule = pair.own;
  if (diffusion.schedule.empty())
    keys.fail("beta_schedule",
              "cannot be represented; linear, scaled_linear, squaredcos_cap_v2 and sigmoid can");
  keys.require("trained_betas", nullptr);
  keys.require("rescale_betas_zero_snr", false);
  keys.require("prediction_type", "epsilon");
}

void read_sampling(JsonKeys& keys, Config& config) {
  const std::string variance = keys.text("variance_type", "fixed_small");
  if (variance == "fixed_small" || variance == "fixed_small_log")
    config.diffusion.variance = "fixed_small";
  else if (variance == "fixed_large")
    config.diffusion.variance = "fixed_large";
  else
    keys.fail("variance_type",
              "cannot be represented; fixed_small, fixed_small_log and fixed_large can");
  config.diffusion.clip_x0 = keys.boolean("clip_sample", true);
  if (config.diffusion.clip_x0 && keys.number("clip_sample_range", 1.0) != 1.0)
    keys.fail("clip_sample_range", "cannot be represented; 1 can");
  static_cast<void>(keys.find("clip_sample_range"));
  keys.require("thresholding", false);
  const std::string spacing = keys.text("timestep_spacing", "leading");
  if (spacing != "leading" && spacing != "trailing" && spacing != "linspace")
    keys.fail("timestep_spacing", "must be leading, trailing or linspace");
  config.sampling.spacing = spacing;
  keys.require("steps_offset", 0);
}

}  // namespace

void apply_scheduler_config(const nlohmann::json& scheduler, const std::string& name,
                            Config& config) {
  JsonKeys keys(scheduler, name);
  read_process(keys, config.diffusion);
  const std::string class_name = keys.text("_class_name", "DDPMScheduler");
  if (class_name == "DDPMScheduler") {
    read_sampling(keys, config);
    return;
  }
  // Other samplers of the same process; what they do beyond it has no counterpart here.
  config.diffusion.variance = "fixed_small";
  log_info(
      "{}: the noise schedule of {} is taken; sampling here is ancestral DDPM with fixed_small",
      name, class_name);
}

nlohmann::ordered_json scheduler_config(const Config& config) {
  const DiffusionConfig& diffusion = config.diffusion;
  if (config.data.range != "symmetric")
    throw ConfigError("data.range = \"" + config.data.range +
                      "\": pipelines of diffusers take images in [-1, 1] for granted");
  std::string schedule;
  for (const SchedulePair& pair : kSchedules)
    if (diffusion.schedule == pair.own) schedule = pair.diffusers;
  if (schedule.empty())
    throw ConfigError("diffusion.schedule = \"" + diffusion.schedule +
                      "\": DDPMScheduler has no such schedule");
  return {{"_class_name", "DDPMScheduler"},
          {"_diffusers_version", "0.42.1"},
          {"beta_end", diffusion.beta_end},
          {"beta_schedule", schedule},
          {"beta_start", diffusion.beta_start},
          {"clip_sample", diffusion.clip_x0},
          {"clip_sample_range", 1.0},
          {"num_train_timesteps", diffusion.timesteps},
          {"prediction_type", "epsilon"},
          {"rescale_betas_zero_snr", false},
          {"steps_offset", 0},
          {"thresholding", false},
          {"timestep_spacing", config.sampling.spacing},
          {"trained_betas", nullptr},
          {"variance_type", diffusion.variance}};
}

nlohmann::ordered_json pipeline_index() {
  return {{"_class_name", "DDPMPipeline"},
          {"_diffusers_version", "0.42.1"},
          {"scheduler", {"diffusers", "DDPMScheduler"}},
          {"unet", {"diffusers", "UNet2DModel"}}};
}

}  // namespace ddpm
