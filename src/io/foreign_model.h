// Opens models of other programs, for open_model.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "ddpm/io/model_file.h"

namespace ddpm {

// Metadata keys of this program's weight files: the network, and the names of its tensors if they
// are not those of model.names.
inline constexpr const char* kConfigKey = "ddpm.config";
inline constexpr const char* kLayoutKey = "ddpm.layout";

// The files of a diffusers model.
struct DiffusersFolder {
  std::filesystem::path unet;        // config.json of UNet2DModel
  std::filesystem::path scheduler;   // scheduler_config.json; empty: there is none
  std::filesystem::path weights;     // .safetensors, .safetensors.index.json, .bin, ...
  std::filesystem::path index = {};  // model_index.json; empty: there is none
  WeightKind kind = WeightKind::kUnknown;
};

// Finds the files. `path` is a pipeline, its unet folder, a checkpoint of diffusers' training script
// (with unet and unet_ema), or a file of weights beside config.json. Returns nothing if there is no
// such config; throws CheckpointError if there is one but no weights.
std::optional<DiffusersFolder> find_diffusers_folder(const std::filesystem::path& path,
                                                     WeightSet wanted);
ModelFile open_diffusers(const DiffusersFolder& folder, WeightSet weights);

// Opens a file of weights that has no config.
ModelFile open_inferred(const std::filesystem::path& file, WeightSet weights,
                        std::span<const ConfigOverride> overrides);

}  // namespace ddpm
