#include "ddpm/io/autoencoder_file.h"

#include <algorithm>
#include <array>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/autoencoder.h"
#include "ddpm/interop/find_networks.h"

namespace ddpm {
namespace {

constexpr double kScaleOfXl = 0.13025;
constexpr std::int64_t kSizeOfXl = 1024;

// What stands before the names: in a whole model, in merges of ComfyUI, in a file of its own.
constexpr std::array<const char*, 3> kPrefixes = {"first_stage_model.", "vae.", ""};

// The names that save_pretrained gives the weights, the exact ones first.
constexpr std::array<const char*, 5> kWeightNames = {
    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin"};

fs::path weights_in(const fs::path& folder) {
  for (const char* name : kWeightNames)
    if (path_exists(folder / name)) return folder / name;
  throw CheckpointError(format_text("{}: there is a config of an autoencoder, but no {}",
                                    shown(folder), kWeightNames.front()));
}

AutoencoderFile open_folder(const fs::path& folder) {
  if (path_exists(folder / "vae/config.json")) return open_folder(folder / "vae");
  const fs::path config = folder / "config.json";
  if (!path_exists(config))
    throw CheckpointError(format_text(
        "{}: there is no autoencoder of diffusers in it (config.json, or vae/config.json)",
        shown(folder)));
  AutoencoderFile file;
  file.config = read_autoencoder_config(read_json_file(config), shown(config));
  file.weights = weights_in(folder);
  for (const StateDict& dictionary : read_state_dicts(file.weights))
    if (dictionary.set.find("decoder.conv_in.weight") != nullptr) {
      file.tensors = autoencoder_from_scheme(dictionary.set, file.config);
      return file;
    }
  throw CheckpointError(shown(file.weights) + ": there is no autoencoder in it");
}

// Losses and averages that a file of its own may have kept from training.
bool is_of_training(const TensorView& view) {
  return view.name.starts_with("loss.") || view.name.starts_with("model_ema.");
}

std::optional<AutoencoderFile> find_in(const std::vector<StateDict>& dictionaries,
                                       const fs::path& path) {
  for (const StateDict& dictionary : dictionaries)
    for (const char* prefix : kPrefixes) {
      TensorSet set = without_prefix(dictionary.set, prefix);
      if (set.find("encoder.conv_in.weight") == nullptr ||
          set.find("decoder.conv_in.weight") == nullptr)
        continue;
      std::erase_if(set.tensors, is_of_training);
      AutoencoderFile file{.weights = path, .config = infer_autoencoder(set), .tensors = {}};
      const bool is_xl = std::ranges::any_of(dictionary.set.tensors, [](const TensorView& view) {
        return view.name.starts_with("conditioner.embedders.");
      });
      if (is_xl) {
        file.config.scale = kScaleOfXl;
        file.config.sample_size = kSizeOfXl;
      }
      log_info("{}: the file does not say the scale of its latents; {}, that of {}, is assumed",
               shown(path), file.config.scale,
               is_xl ? "Stable Diffusion XL" : "Stable Diffusion 1 and 2");
      file.tensors = autoencoder_from_scheme(set, file.config);
      return file;
    }
  return std::nullopt;
}

AutoencoderFile open_file(const fs::path& path) {
  const std::vector<StateDict> dictionaries = read_state_dicts(path);
  if (std::optional<AutoencoderFile> file = find_in(dictionaries, path)) return *file;
  throw CheckpointError(format_text(
      "{}: there is no autoencoder of Stable Diffusion in it (first_stage_model, vae, or one alone):{}",
      shown(path), describe_dictionaries(dictionaries)));
}

}  // namespace

AutoencoderFile open_autoencoder(const fs::path& path) {
  if (!path_exists(path)) throw CheckpointError(shown(path) + ": no such file or folder");
  if (is_folder(path)) return open_folder(path);
  if (path.filename() == "config.json") return open_folder(path.parent_path());
  const fs::path config = path.parent_path() / "config.json";
  const std::string name = path.filename().string();
  const bool is_diffusers = std::ranges::find(kWeightNames, name) != kWeightNames.end();
  return is_diffusers && path_exists(config) ? open_folder(path.parent_path()) : open_file(path);
}

std::optional<AutoencoderFile> find_autoencoder(const fs::path& path) {
  if (is_folder(path) && !path_exists(path / "vae/config.json")) return std::nullopt;
  if (is_folder(path)) return open_folder(path);
  std::vector<StateDict> dictionaries;
  try {
    dictionaries = read_state_dicts(path);
  } catch (const CheckpointError&) {  // whoever opens it as a network says what is wrong with it
    return std::nullopt;
  }
  return find_in(dictionaries, path);
}

}  // namespace ddpm
