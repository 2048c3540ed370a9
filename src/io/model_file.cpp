#include "ddpm/io/model_file.h"

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/interop/translate.h"
#include "ddpm/interop/wrappers.h"
#include "ddpm/runs/checkpoint_store.h"
#include "foreign_model.h"

namespace ddpm {
namespace {

fs::path weights_of_checkpoint(const fs::path& checkpoint, WeightSet set) {
  verify_checkpoint(checkpoint);
  const fs::path ema = checkpoint / "ema.safetensors";
  // Runs without averaging have only raw weights.
  return set == WeightSet::kEma && fs::exists(ema) ? ema : checkpoint / "model.safetensors";
}

fs::path weights_of_folder(const fs::path& folder, WeightSet set) {
  if (fs::exists(folder / "MANIFEST.json")) return weights_of_checkpoint(folder, set);
  if (fs::exists(folder / "checkpoints")) {
    const std::optional<fs::path> newest = CheckpointStore(folder / "checkpoints").newest();
    if (!newest)
      throw CheckpointError(folder.string() +
                            ": this run has no complete checkpoint; train it first");
    return weights_of_checkpoint(*newest, set);
  }
  if (fs::exists(folder / "model.safetensors")) return folder / "model.safetensors";
  throw CheckpointError(folder.string() +
                        ": there is no model here. Expected a run directory (with checkpoints/), a "
                        "checkpoint (with MANIFEST.json), a folder with model.safetensors, a "
                        "diffusers folder (with model_index.json or config.json beside "
                        "diffusion_pytorch_model.safetensors), or one file of weights");
}

// The format that the metadata of a file names, for tensors that do not have the names of
// model.names.
ModelFormat parse_layout(const std::string& layout) {
  const std::optional<ModelFormat> format = parse_choice<ModelFormat>(layout);
  if (!format || !scheme_of(*format))
    throw ConfigError("model.names: unknown '" + layout +
                      "'; choose from diffusers, labml, ho, pytorch_ddpm, openai");
  return *format;
}

// The tensors without CompVis's prefix and without pytorch_ddpm's table of sinusoids.
TensorSet unwrapped(const TensorSet& set) {
  const TensorSet inner = without_prefix(set, kCompVisPrefix);
  TensorSet result = inner.tensors.empty() ? set : inner;
  std::erase_if(result.tensors, [](const TensorView& view) {
    return view.name == "time_embedding.timembedding.0.weight";
  });
  return result;
}

// Opens a file of this program, or one of another program beside a config of this one. Returns
// nothing if it is neither.
std::optional<ModelFile> open_own(const fs::path& weights) {
  if (weights.extension() != ".safetensors") return std::nullopt;
  // Members are set one by one: in an initialiser GCC 12 destroys them twice if reading throws.
  ModelFile model;
  model.weights = weights;
  model.tensors = read_safetensors(weights);
  const SafetensorsMetadata& metadata = model.tensors.metadata;
  const fs::path neighbour = weights.parent_path() / "config.json";
  if (const auto found = metadata.find(kConfigKey); found != metadata.end())
    model.config =
        config_from_json_text(found->second, weights.string() + ": metadata " + kConfigKey);
  else if (fs::exists(neighbour))
    model.config = config_from_json_text(read_file(neighbour, 1 << 20), neighbour.string());
  else
    return std::nullopt;
  if (const auto layout = metadata.find(kLayoutKey); layout != metadata.end()) {
    model.format = parse_layout(layout->second);
    const ModelConfig& network = model.config.model;
    model.tensors = from_layout(unwrapped(model.tensors),
                                Layout::of(*scheme_of(model.format), network), network);
  }
  return model;
}

}  // namespace

std::optional<NamingScheme> scheme_of(ModelFormat format) {
  switch (format) {
    case ModelFormat::kDdpm:
      return std::nullopt;
    case ModelFormat::kDiffusers:
      return NamingScheme::kDiffusers;
    case ModelFormat::kLabml:
      return NamingScheme::kLabml;
    case ModelFormat::kHo:
      return NamingScheme::kHo;
    case ModelFormat::kPytorchDdpm:
      return NamingScheme::kPytorchDdpm;
    case ModelFormat::kOpenai:
    case ModelFormat::kCompvis:
      return NamingScheme::kOpenai;
  }
  return std::nullopt;
}

SafetensorsMetadata model_metadata(const Config& config, std::optional<ModelFormat> layout) {
  const auto all = nlohmann::ordered_json::parse(to_json(config));
  nlohmann::ordered_json network = {{"model", all.at("model")}, {"diffusion", all.at("diffusion")}};
  for (const char* key : {"height", "width", "channels", "range"})
    network["data"][key] = all.at("data").at(key);
  SafetensorsMetadata metadata = {{"format", "pt"}, {kConfigKey, network.dump()}};
  if (layout) metadata.emplace(kLayoutKey, name_of(*layout));
  return metadata;
}

ModelFile open_model(const fs::path& path, WeightSet weights,
                     std::span<const ConfigOverride> overrides) {
  if (!fs::exists(path)) throw CheckpointError(path.string() + ": no such file or folder");
  try {
    if (const std::optional<DiffusersFolder> folder = find_diffusers_folder(path))
      return open_diffusers(*folder, weights);
    const fs::path file = fs::is_directory(path) ? weights_of_folder(path, weights) : path;
    std::optional<ModelFile> model = open_own(file);
    if (!model) model = open_inferred(file, weights, overrides);
    model->sha256 = sha256_file(file);
    return *model;
  } catch (const ConfigError& error) {  // the mistake is in the file, not in the command line
    throw CheckpointError(error.what());
  }
}

SamplingConfig sampling_defaults(const fs::path& path) {
  const fs::path file = path / "config.json";
  if (!fs::exists(path / "checkpoints") || !fs::exists(file)) return {};
  try {
    return config_from_json_text(read_file(file, 1 << 20), file.string()).sampling;
  } catch (const ConfigError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace ddpm
