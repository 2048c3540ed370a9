// The model argument of every command, `--model PATH`: what is there, and where its weights lie.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Which of a checkpoint's two sets of weights.
enum class WeightSet { kEma, kRaw };

// "ema" or "raw". Throws ConfigError.
WeightSet parse_weight_set(const std::string& name);

struct ModelFile {
  std::filesystem::path weights;  // the file that was read, or the index of its shards
  Config config;  // model, diffusion, and the image shape and range in data; of sampling what a
                  // diffusers scheduler says; the rest is default
  std::string sha256;           // of the weights file; of all tensors if it is an index
  std::string format = "ddpm";  // or diffusers, or the scheme of the names (interop/names.h)
  TensorSet tensors;            // under the network's own names, model.names
};

// Metadata of a weight file: what the network and its process are, so that the file is enough for
// --model. Says nothing about the run, so equal training gives equal bytes whatever the run is
// called.
// `scheme`: how the tensors are named, where that is not model.names.
SafetensorsMetadata model_metadata(const Config& config, const std::string& scheme = "");

// PATH is one of
//   a run directory or a checkpoint directory; checkpoints are verified first
//   a .safetensors file or a folder with model.safetensors, written by this program
//   a diffusers folder: model_index.json, unet/, scheduler/; or the unet folder alone
//   a .safetensors, .pt, .pth, .bin or .ckpt file with a config.json of diffusers or of a run
//     beside it
//   such a file without one: the network is inferred (interop/architecture.h), and logged;
//     `overrides` of model.* then correct what was assumed
// Throws CheckpointError saying what was found and expected.
ModelFile open_model(const std::filesystem::path& path, WeightSet weights,
                     std::span<const Override> overrides = {});

// What the config of a run says about sampling; the defaults if `path` is no run directory. Throws
// CheckpointError if its config.json is damaged.
SamplingConfig sampling_defaults(const std::filesystem::path& path);

}  // namespace ddpm
