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

// The same for scheduler_config.json: diffusion.*, and of DDPMScheduler and DDIMScheduler what
// sampling.* says of the sampler. Of any other scheduler class the process is taken, not the
// sampler.
void apply_scheduler_config(const nlohmann::json& scheduler, const std::string& name,
                            Config& config);

// The files to write, of a DDIMPipeline if sampling.sampler is ddim, else of a DDPMPipeline. Throw
// ConfigError naming the keys that UNet2DModel and the scheduler cannot represent.
nlohmann::ordered_json unet_config(const Config& config);
nlohmann::ordered_json scheduler_config(const Config& config);
nlohmann::ordered_json pipeline_index(const Config& config);  // model_index.json

}  // namespace ddpm
