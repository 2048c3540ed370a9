// Translates the JSON files of a diffusers folder (huggingface/diffusers 0.42), the configs of
// UNet2DModel and of a scheduler, to this program's config and back.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "ddpm/config/config.h"

namespace ddpm {

// Sets model.*, data.height, data.width, data.channels and data.range from unet/config.json. An
// absent key has UNet2DModel's default. Throws CheckpointError "<name>: <key> ..." if the class is
// not UNet2DModel or the network here does not support a value. Unknown keys are ignored with a
// warning, as in diffusers.
void apply_unet_config(const nlohmann::json& unet, const std::string& name, Config& config);

// Sets diffusion.* from scheduler_config.json in the same way. For a scheduler whose
// sampler is known here (config/samplers.h) it also sets the keys of sampling.* that describe the
// sampler. From any other, only the diffusion process is used.
void apply_scheduler_config(const nlohmann::json& scheduler, const std::string& name,
                            Config& config);

// Why images cannot be sampled here from a network with this scheduler_config.json: it belongs to a
// process that is not DDPM's (flow matching, EDM, consistency models, variance-exploding SDEs).
// Empty if they can. Every scheduler of DDPM's process has a beta_schedule.
std::string other_process(const nlohmann::json& scheduler);

// The autoencoder of a pipeline with this model_index.json, whose latents its network makes: "vqvae
// of LDMPipeline". Empty if it has none.
std::string autoencoder_of(const nlohmann::json& index);

// The files to write. The scheduler is that of sampling.sampler, with its spacing and noise levels, but
// DDPMScheduler instead of DDIMScheduler if the network predicts a variance. unet_config and
// scheduler_config throw ConfigError with the keys that UNet2DModel and the scheduler cannot represent.
nlohmann::ordered_json unet_config(const Config& config);
nlohmann::ordered_json scheduler_config(const Config& config);
// model_index.json, of a DDIMPipeline or a DDPMPipeline; null if neither draws images with the scheduler.
nlohmann::ordered_json pipeline_index(const Config& config);

}  // namespace ddpm
