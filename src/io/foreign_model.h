// Models of other programs, for open_model.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "ddpm/io/model_file.h"

namespace ddpm {

// In the metadata of weight files of this program: what the network is, and how its tensors are
// named if not as model.names says.
inline constexpr const char* kConfigKey = "ddpm.config";
inline constexpr const char* kLayoutKey = "ddpm.layout";

// Files of a diffusers model.
struct DiffusersFolder {
  std::filesystem::path unet;       // config.json of UNet2DModel
  std::filesystem::path scheduler;  // scheduler_config.json; empty: there is none
  std::filesystem::path weights;    // .safetensors, .safetensors.index.json, .bin, ...
};

// `path` is a pipeline, its unet folder, or a file of weights beside config.json. Nothing if no
// such config is there. Throws CheckpointError if there is one but no weights.
std::optional<DiffusersFolder> find_diffusers_folder(const std::filesystem::path& path);
ModelFile open_diffusers(const DiffusersFolder& folder, WeightSet weights);

// A file of weights without any config.
ModelFile open_inferred(const std::filesystem::path& file, WeightSet weights,
                        std::span<const ConfigOverride> overrides);

}  // namespace ddpm
