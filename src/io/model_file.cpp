#include "ddpm/io/model_file.h"

#include <cctype>
#include <optional>
#include <regex>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/file_kind.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/interop/translate.h"
#include "ddpm/io/hifi_gan_file.h"
#include "ddpm/runs/checkpoint_store.h"
#include "foreign_model.h"

namespace ddpm {
namespace {

fs::path weights_of_checkpoint(const fs::path& checkpoint, WeightSet set) {
  verify_checkpoint(checkpoint);
  const fs::path ema = checkpoint / "ema.safetensors";
  // Runs without averaging have only raw weights.
  return set == WeightSet::kEma && path_exists(ema) ? ema : checkpoint / "model.safetensors";
}

// A checkpoint has its average in a file of its own; of other files nothing is known.
WeightKind kind_of_checkpoint(const fs::path& weights) {
  if (!fs::exists(weights.parent_path() / "MANIFEST.json")) return WeightKind::kUnknown;
  return weights.filename() == "ema.safetensors" ? WeightKind::kEma : WeightKind::kRaw;
}

fs::path weights_of_folder(const fs::path& folder, WeightSet set) {
  if (path_exists(folder / "MANIFEST.json")) return weights_of_checkpoint(folder, set);
  if (path_exists(folder / "checkpoints")) {
    const std::optional<fs::path> newest = CheckpointStore(folder / "checkpoints").newest();
    if (!newest)
      throw CheckpointError(folder.string() +
                            ": this run has no complete checkpoint; train it first");
    return weights_of_checkpoint(*newest, set);
  }
  if (path_exists(folder / "model.safetensors")) return folder / "model.safetensors";
  if (is_hifi_gan_config_file(folder / "config.json"))
    throw CheckpointError(folder.string() + ": a generator of HiFi-GAN, which ddpm vocode takes");
  throw CheckpointError(folder.string() +
                        ": there is no model here. Expected a run directory (with checkpoints/), a "
                        "checkpoint (with MANIFEST.json), a folder with model.safetensors, a "
                        "diffusers folder (with model_index.json or config.json beside "
                        "diffusion_pytorch_model.safetensors), or one file of weights");
}

std::string hash_tensors(const TensorSet& set) {
  Sha256 hash;
  for (const TensorView& view : set.tensors) {
    hash.update(view.name);
    hash.update(view.bytes);
  }
  return hash.hex_digest();
}

[[noreturn]] void refuse_missing(const fs::path& path) {
  // ORGANISATION/NAME, as the hub calls its models.
  static const std::regex kHubName("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*");
  const std::string name = path.string();
  const bool is_hub_name = std::regex_match(name, kHubName) && !fs::exists(path.parent_path());
  throw CheckpointError(
      name + ": no such file or folder" + home_advice(path) +
      (is_hub_name ? "; to download a model of this name from the Hugging Face hub: hf download " +
                         name + " --local-dir " + path.filename().string()
                   : ""));
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
  if (recognize_weights(weights) != WeightFileKind::kSafetensors) return std::nullopt;
  // Members are set one by one: in an initialiser GCC 12 destroys them twice if reading throws.
  ModelFile model;
  model.weights = weights;
  model.tensors = read_safetensors(weights);
  model.kind = kind_of_checkpoint(weights);
  const SafetensorsMetadata& metadata = model.tensors.metadata;
  const fs::path neighbour = weights.parent_path() / "config.json";
  if (const auto found = metadata.find(kConfigKey); found != metadata.end())
    model.config =
        config_from_json_text(found->second, weights.string() + ": metadata " + kConfigKey);
  else if (fs::exists(neighbour) && !is_hifi_gan_config_file(neighbour))
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

// Says which weights were read, if they are not those that were asked for.
void check_weights(const ModelFile& model, std::optional<WeightSet> asked) {
  const std::string file = model.weights.string();
  if (asked == WeightSet::kRaw) {
    if (model.kind == WeightKind::kEma)
      log_warning("{}: there are only averaged weights; they are used", file);
    return;
  }
  if (model.kind == WeightKind::kEma) return;
  if (!model.unread_average.empty()) {
    const std::string found =
        format_text("{}: the averaged weights in '{}' do not fit the network in the file", file,
                    shorten(model.unread_average));
    if (asked) throw CheckpointError(found + "; --weights raw takes the others");
    log_warning("{}; the others are used", found);
  } else if (asked) {
    log_warning("{}: no weights here are marked as averaged; weights of kind '{}' are used", file,
                model.kind);
  }
}

ModelFile open_resolved(const fs::path& path, WeightSet weights,
                        std::span<const ConfigOverride> overrides) {
  if (const std::optional<DiffusersFolder> folder = find_diffusers_folder(path, weights))
    return open_diffusers(*folder, weights);
  const fs::path file = is_folder(path) ? weights_of_folder(path, weights) : path;
  if (std::optional<ModelFile> model = open_own(file)) return *model;
  return open_inferred(file, weights, overrides);
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
  if (!config.data.class_names.empty()) network["data"]["class_names"] = config.data.class_names;
  SafetensorsMetadata metadata = {{"format", "pt"}, {kConfigKey, network.dump()}};
  if (layout) metadata.emplace(kLayoutKey, name_of(*layout));
  return metadata;
}

std::string ModelFile::sha256() const {
  return weights.extension() == ".json" ? hash_tensors(tensors) : sha256_file(weights);
}

ModelFile open_model(const fs::path& path, std::optional<WeightSet> asked,
                     std::span<const ConfigOverride> overrides) {
  if (!path_exists(path)) refuse_missing(path);
  try {
    ModelFile model =
        open_resolved(resolve_hub_cache(path), asked.value_or(WeightSet::kEma), overrides);
    check_weights(model, asked);
    return model;
  } catch (const ConfigError& error) {  // the mistake is in the file, not in the command line
    throw CheckpointError(error.what());
  }
}

fs::path resolve_hub_cache(const fs::path& path) {
  if (!is_folder(path / "snapshots")) return path;
  fs::path newest;
  std::string revision;
  if (fs::is_regular_file(path / "refs" / "main"))
    revision = read_file(path / "refs" / "main", 256);
  while (!revision.empty() && std::isspace(static_cast<unsigned char>(revision.back())) != 0)
    revision.pop_back();
  for (const fs::directory_entry& entry : fs::directory_iterator(path / "snapshots"))
    if (entry.path().filename() == revision || newest.empty()) newest = entry.path();
  if (newest.empty()) return path;
  log_info("{}: snapshot {}", path.string(), newest.filename().string());
  return newest;
}

std::optional<Config> config_of_run(const fs::path& path) {
  constexpr const char* kCheckpoints = "checkpoints";
  fs::path run = path;
  const fs::path parent = fs::absolute(path / "").lexically_normal().parent_path().parent_path();
  if (parent.filename() == kCheckpoints) run = parent.parent_path();
  if (parent.parent_path().filename() == kCheckpoints) run = parent.parent_path().parent_path();
  const fs::path file = run / "config.json";
  if (!path_exists(run / kCheckpoints) || !path_exists(file)) return std::nullopt;
  try {
    return config_from_json_text(read_file(file, 1 << 20), file.string());
  } catch (const ConfigError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace ddpm
