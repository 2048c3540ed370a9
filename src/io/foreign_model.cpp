#include "foreign_model.h"

#include <algorithm>
#include <array>
#include <set>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/formats/torch_file.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/translate.h"
#include "ddpm/interop/wrappers.h"

namespace ddpm {
namespace {

// --- Files of weights ----------------------------------------------------------------------------

bool is_torch_file(const fs::path& path) {
  static const std::set<std::string> kEndings = {".bin", ".pt", ".pth", ".ckpt"};
  return kEndings.contains(path.extension().string());
}

// The dictionary of a training checkpoint that holds the network.
TensorSet choose_state_dict(const fs::path& path, WeightSet weights) {
  const std::vector<StateDict> dicts = read_torch_file(path);
  constexpr std::array<const char*, 3> kAverages = {"ema_model", "ema", "model_ema"};
  constexpr std::array<const char*, 6> kPlain = {"",      "net_model", "state_dict",
                                                 "model", "unet",      "module"};
  std::vector<std::string> order(kPlain.begin(), kPlain.end());
  order.insert(weights == WeightSet::kEma ? order.begin() : order.end(), kAverages.begin(),
               kAverages.end());
  for (const std::string& name : order)
    for (const StateDict& dict : dicts) {
      if (dict.name != name) continue;
      TensorSet set = unwrap(dict.set, weights);
      if (!detect_scheme(set)) continue;
      if (!name.empty()) log_info("{}: weights of '{}'", path.string(), name);
      return set;
    }
  for (const StateDict& dict : dicts)
    if (const std::string other = describe_other_network(dict.set); !other.empty())
      throw CheckpointError(path.string() + ": " + other);
  std::vector<std::string> names;
  for (const StateDict& dict : dicts) names.push_back("'" + shorten(dict.name) + "'");
  throw CheckpointError(
      format_text("{}: none of its {} dictionaries of tensors is a known network{}", path.string(),
                  dicts.size(), names.empty() ? "" : ": " + shorten(join(names), 300)));
}

TensorSet read_weights(const fs::path& path, WeightSet weights) {
  if (is_torch_file(path)) return choose_state_dict(path, weights);
  if (path.extension() == ".json") return read_sharded_safetensors(path);
  return unwrap(read_safetensors(path), weights);
}

std::string hash_tensors(const TensorSet& set) {
  Sha256 hash;
  for (const TensorView& view : set.tensors) {
    hash.update(view.name);
    hash.update(view.bytes);
  }
  return hash.hex_digest();
}

std::string describe(const ModelConfig& model) {
  std::vector<std::string> levels;
  for (std::size_t i = 0; i < model.attention.size(); ++i)
    levels.push_back(
        format_text("{}{}", model.width_multipliers[i], model.attention[i] ? "a" : ""));
  return format_text("base width {}, multipliers {} (a: attention), {} blocks per level",
                     model.base_width, join(levels, " "), model.blocks_per_level.at(0));
}

// --- diffusers -----------------------------------------------------------------------------------

bool is_unet_config(const fs::path& path) {
  if (!fs::is_regular_file(path)) return false;
  nlohmann::json document;
  try {
    document = read_json_file(path);
  } catch (const CheckpointError&) {  // a config of this program with comments, or a broken one
    return fs::exists(path.parent_path() / "diffusion_pytorch_model.safetensors") ||
           fs::exists(path.parent_path() / "diffusion_pytorch_model.bin");
  }
  return document.is_object() &&
         (document.contains("_class_name") || document.contains("block_out_channels"));
}

fs::path find_weights(const fs::path& folder) {
  constexpr std::array<const char*, 4> kNames = {
      "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
      "diffusion_pytorch_model.bin", "diffusion_pytorch_model.ckpt"};
  for (const char* name : kNames)
    if (fs::exists(folder / name)) return folder / name;
  throw CheckpointError(folder.string() +
                        ": this is a config.json of diffusers, but there is no "
                        "diffusion_pytorch_model.safetensors (or .safetensors.index.json, or .bin) "
                        "beside it");
}

// The scheduler lies in its own folder of a pipeline, or beside the other files.
fs::path find_scheduler(const fs::path& unet_folder) {
  constexpr const char* kFile = "scheduler_config.json";
  for (const fs::path& path : {unet_folder / kFile, unet_folder / "scheduler" / kFile,
                               unet_folder / ".." / "scheduler" / kFile})
    if (fs::exists(path)) return path.lexically_normal();
  return {};
}

Config read_configs(const DiffusersFolder& folder, const nlohmann::json& unet,
                    const nlohmann::json& scheduler) {
  Config config;
  apply_unet_config(unet, folder.unet.string(), config);
  // Without a scheduler, `scheduler` is empty and gives the defaults of DDPMScheduler.
  apply_scheduler_config(scheduler, folder.scheduler.string(), config);
  return config;
}

// Whether the record of the network in the file still agrees with the JSON files.
bool still_describes(const Config& record, const Config& read) {
  Config again;
  try {
    apply_unet_config(nlohmann::json(unet_config(record)), "", again);
    apply_scheduler_config(nlohmann::json(scheduler_config(record)), "", again);
  } catch (const Error&) {
    return false;
  }
  again.sampling = read.sampling;
  return to_json(again) == to_json(read);
}

}  // namespace

std::optional<DiffusersFolder> find_diffusers_folder(const fs::path& path) {
  const bool is_folder = fs::is_directory(path);
  const fs::path folder = is_folder ? path : path.parent_path();
  std::vector<fs::path> candidates = {folder};
  if (is_folder) candidates.insert(candidates.begin(), folder / "unet");
  for (const fs::path& unet : candidates)
    if (is_unet_config(unet / "config.json"))
      return DiffusersFolder{.unet = unet / "config.json",
                             .scheduler = find_scheduler(unet),
                             .weights = is_folder ? find_weights(unet) : path};
  if (is_folder && fs::exists(path / "model_index.json"))
    throw CheckpointError(path.string() +
                          ": there is a model_index.json of diffusers, but no unet/config.json");
  return std::nullopt;
}

ModelFile open_diffusers(const DiffusersFolder& folder, WeightSet weights) {
  ModelFile model;
  model.weights = folder.weights;
  model.format = ModelFormat::kDiffusers;
  const nlohmann::json unet = read_json_file(folder.unet);
  const nlohmann::json scheduler =
      folder.scheduler.empty() ? nlohmann::json::object() : read_json_file(folder.scheduler);
  if (folder.scheduler.empty())
    log_info("{}: no scheduler_config.json; using the defaults of DDPMScheduler",
             folder.unet.string());
  model.config = read_configs(folder, unet, scheduler);
  model.tensors = rename_old_diffusers(read_weights(folder.weights, weights));
  if (const auto found = model.tensors.metadata.find(kConfigKey);
      found != model.tensors.metadata.end()) {
    Config record =
        config_from_json_text(found->second, folder.weights.string() + ": metadata " + kConfigKey);
    record.sampling = model.config.sampling;
    if (still_describes(record, model.config)) model.config = record;
  }
  if (model.config.model.names != NamingScheme::kDiffusers)
    model.tensors =
        from_layout(model.tensors, {.scheme = NamingScheme::kDiffusers}, model.config.model);
  validate(model.config);
  model.sha256 = folder.weights.extension() == ".json" ? hash_tensors(model.tensors)
                                                       : sha256_file(folder.weights);
  return model;
}

ModelFile open_inferred(const fs::path& file, WeightSet weights,
                        std::span<const ConfigOverride> overrides) {
  const TensorSet set = read_weights(file, weights);
  InferredModel inferred = infer_model(set);
  std::vector<ConfigOverride> of_model;
  std::ranges::copy_if(overrides, std::back_inserter(of_model), [](const ConfigOverride& change) {
    return change.path.starts_with("model.");
  });
  inferred.config = apply_overrides(inferred.config, of_model);
  validate(inferred.config);
  log_info("{}: a network of {}: {}", file.string(), inferred.layout.scheme,
           describe(inferred.config.model));
  log_info("assumed, because tensors do not show it: {}", join(inferred.assumed, "; "));
  const ModelConfig& model = inferred.config.model;
  inferred.layout = Layout::of(inferred.layout.scheme, model);
  TensorSet own =
      model.names == inferred.layout.scheme ? set : from_layout(set, inferred.layout, model);
  // pytorch_ddpm stores its table of sinusoids, which is not needed: the network here computes it.
  std::erase_if(own.tensors, [](const TensorView& view) {
    return view.name == "time_embedding.timembedding.0.weight";
  });
  return {.weights = file,
          .config = inferred.config,
          .sha256 = {},
          .format = *parse_choice<ModelFormat>(name_of(inferred.layout.scheme)),
          .tensors = std::move(own)};
}

}  // namespace ddpm
