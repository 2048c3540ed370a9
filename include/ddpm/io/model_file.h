// Opens the model of `--model PATH`: finds out what kind of model it is and where its weights are.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/tensor_set.h"
#include "ddpm/interop/find_networks.h"

namespace ddpm {

// The layout of a model's files: that of diffusers (a pipeline folder), of this program, or of a
// naming scheme (interop/names.h). CompVis puts a prefix before the names of OpenAI's network.
enum class ModelFormat { kDiffusers, kDdpm, kHo, kPytorchDdpm, kOpenai, kCompvis, kLabml };
constexpr auto choice_names(ModelFormat) {
  return name_list("diffusers", "ddpm", "ho", "pytorch_ddpm", "openai", "compvis", "labml");
}

// The scheme of the tensors' names in that format; nothing for kDdpm, which uses model.names.
std::optional<NamingScheme> scheme_of(ModelFormat format);

struct ModelFile {
  std::filesystem::path weights;  // the file that was read, or the index of its shards
  Config config;  // model, diffusion, and the image shape and range in data; the keys of sampling
                  // that a diffusers scheduler sets; the rest is default
  ModelFormat format = ModelFormat::kDdpm;
  TensorSet tensors;  // under the network's own names, model.names

  WeightKind kind = WeightKind::kUnknown;  // what was read, as far as the files tell
  std::string unread_average;  // where the file has averaged weights that could not be read; ""
  std::string obstacle;        // why no images can be sampled from this network; ""
  // The network's images are latents of this autoencoder, such as "vae of StableDiffusionPipeline"; ""
  std::string autoencoder;
  std::vector<double> betas;        // the file's own table of the noise schedule; may be empty
  bool process_is_assumed = false;  // the files say nothing of the diffusion process

  // Of the weights file, or of all tensors if it is an index. Reads the whole file.
  std::string sha256() const;
};

// Metadata of a weight file: the network and its diffusion process, so that --model needs only this
// file. There is nothing about the run, so the same training gives the same bytes whatever the
// run's name. `layout` says how the tensors are named, if not by model.names.
SafetensorsMetadata model_metadata(const Config& config,
                                   std::optional<ModelFormat> layout = std::nullopt);

// PATH is one of
//   a run directory or a checkpoint directory; checkpoints are verified first
//   a .safetensors file or a folder with model.safetensors, written by this program
//   a diffusers folder: model_index.json, unet/, scheduler/; or the unet folder alone
//   a folder of the hub's cache, models--*
//   a file of safetensors or torch.save with a config.json of diffusers or of a run beside it
//   such a file without a config: the network is inferred (interop/infer.h) and logged;
//     `overrides` of model.* correct wrong assumptions
// Reads the averaged weights if nothing else is asked for. Logs a warning if the weights are not
// those that were asked for. Throws CheckpointError that says what was found and what was expected,
// also if averaged weights were asked for and there are some that fit no network of the file.
ModelFile open_model(const std::filesystem::path& path, std::optional<WeightSet> asked,
                     std::span<const ConfigOverride> overrides = {});

// The folder of the revision that a folder of the hub's cache (models--ORGANISATION--NAME) calls its
// main one; other paths as they are.
std::filesystem::path resolve_hub_cache(const std::filesystem::path& path);

// The config.json of the run that `path` is: its directory, a checkpoint in it or a file of that checkpoint.
// Nothing for other paths. Throws CheckpointError if it is damaged.
std::optional<Config> config_of_run(const std::filesystem::path& path);

}  // namespace ddpm
