// The model argument of every command, `--model PATH`: what is there, and where its weights lie.
#pragma once

#include <filesystem>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/formats/safetensors.h"

namespace ddpm {

// Which of a checkpoint's two sets of weights.
enum class WeightSet { kEma, kRaw };

// "ema" or "raw". Throws ConfigError.
WeightSet parse_weight_set(const std::string& name);

struct ModelFile {
  std::filesystem::path weights;  // a .safetensors file
  Config config;  // model, diffusion, and the image shape and range in data; the rest is default
  std::string sha256;  // of the weights file
};

// Metadata of a weight file: what the network and its process are, so that the file is enough for
// --model. Says nothing about the run, so equal training gives equal bytes whatever the run is
// called.
SafetensorsMetadata model_metadata(const Config& config);

// PATH is a run directory, a checkpoint directory or one .safetensors file written by this program
// (or one beside a config.json of a run). Checkpoints are verified first. Throws CheckpointError
// saying what was found and expected.
ModelFile open_model(const std::filesystem::path& path, WeightSet weights);

// What the config of a run says about sampling; the defaults if `path` is no run directory. Throws
// CheckpointError if its config.json is damaged.
SamplingConfig sampling_defaults(const std::filesystem::path& path);

// The newest run below `runs` that has a complete checkpoint. Throws CheckpointError if there is
// none.
std::filesystem::path newest_run(const std::filesystem::path& runs);

}  // namespace ddpm
