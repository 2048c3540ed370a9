// The model argument of every command, `--model PATH`: what is there, and where its weights lie.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Whose layout the files of a model have: that of diffusers (a pipeline folder), of this program, or
// of a naming scheme (interop/names.h). CompVis puts OpenAI's network below a prefix.
enum class ModelFormat { kDiffusers, kDdpm, kHo, kPytorchDdpm, kOpenai, kCompvis, kLabml };
constexpr auto choice_names(ModelFormat) {
  return name_list("diffusers", "ddpm", "ho", "pytorch_ddpm", "openai", "compvis", "labml");
}

// Whose names the tensors of that format have; nothing for kDdpm: those of model.names.
std::optional<NamingScheme> scheme_of(ModelFormat format);

struct ModelFile {
  std::filesystem::path weights;  // the file that was read, or the index of its shards
  Config config;  // model, diffusion, and the image shape and range in data; of sampling what a
                  // diffusers scheduler says; the rest is default
  std::string sha256;  // of the weights file; of all tensors if it is an index
  ModelFormat format = ModelFormat::kDdpm;
  TensorSet tensors;  // under the network's own names, model.names
};

// Metadata of a weight file: what the network and its process are, so that the file is enough for
// --model. Says nothing about the run, so equal training gives equal bytes whatever the run is
// called.
// `layout`: where the tensors are not named as model.names says.
SafetensorsMetadata model_metadata(const Config& config,
                                   std::optional<ModelFormat> layout = std::nullopt);

// PATH is one of
//   a run directory or a checkpoint directory; checkpoints are verified first
//   a .safetensors file or a folder with model.safetensors, written by this program
//   a diffusers folder: model_index.json, unet/, scheduler/; or the unet folder alone
//   a .safetensors, .pt, .pth, .bin or .ckpt file with a config.json of diffusers or of a run
//     beside it
//   such a file without one: the network is inferred (interop/infer.h), and logged;
//     `overrides` of model.* then correct what was assumed
// Throws CheckpointError saying what was found and expected.
ModelFile open_model(const std::filesystem::path& path, WeightSet weights,
                     std::span<const ConfigOverride> overrides = {});

// What the config of a run says about sampling; the defaults if `path` is no run directory. Throws
// CheckpointError if its config.json is damaged.
SamplingConfig sampling_defaults(const std::filesystem::path& path);

}  // namespace ddpm
