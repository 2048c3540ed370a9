// The JSON files of a diffusers folder (huggingface/diffusers 0.42): the config of UNet2DModel and
// of a scheduler, as this program's config, and back.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "ddpm/config/config.h"

namespace ddpm {

// Sets model.*, data.height, width and channels as unet/config.json says; a key that is absent has
// UNet2DModel's default. Throws CheckpointError "<name>: <key> ..." for what the network here
// cannot do, and for a class other than UNet2DModel; unknown keys are ignored with a warning, as
// diffusers does.
void apply_unet_config(const nlohmann::json& unet, const std::string& name, Config& config);

// The same for scheduler_config.json: diffusion.*, sampling.spacing. Any scheduler class will do as
// long as the network predicts noise: it is the process that is taken, not the sampler.
void apply_scheduler_config(const nlohmann::json& scheduler, const std::string& name,
                            Config& config);

// The files to write. Throw ConfigError naming the keys that UNet2DModel and DDPMScheduler cannot
// represent.
nlohmann::ordered_json unet_config(const Config& config);
nlohmann::ordered_json scheduler_config(const Config& config);
nlohmann::ordered_json pipeline_index();  // model_index.json of a DDPMPipeline

}  // namespace ddpm
