#include "foreign_model.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/file_kind.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/torch_file.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/translate.h"

namespace ddpm {
namespace {

struct FoundWeights {
  TensorSet tensors;
  WeightKind kind = WeightKind::kUnknown;
  std::string unread_average = {};
  std::vector<double> betas = {};
  std::string autoencoder = {};
};

// --- Files of weights ----------------------------------------------------------------------------

std::vector<StateDict> read_dictionaries(const fs::path& path) {
  if (recognize_weights(path) == WeightFileKind::kTorch) return read_torch_file(path);
  return {{"", read_safetensors(path)}};
}

[[noreturn]] void refuse(const fs::path& path, const std::vector<StateDict>& dictionaries) {
  for (const StateDict& dictionary : dictionaries)
    if (const std::string other = describe_other_network(dictionary.set); !other.empty())
      throw CheckpointError(path.string() + ": " + other);
  throw CheckpointError(format_text(
      "{}: none of its {} is a known network (diffusers, labml, ho, pytorch_ddpm, openai, "
      "CompVis):{}\nIf one is, save it alone, under its own names: torch.save(model.state_dict(), "
      "...)",
      path.string(), counted(static_cast<std::int64_t>(dictionaries.size()), "set") + " of tensors",
      describe_dictionaries(dictionaries)));
}

// The network with the wanted weights in a file of another program. With a config, whatever tensors
// the file has are compared with it later; without one they must show which network they are.
FoundWeights read_weights(const fs::path& path, WeightSet wanted, bool has_config) {
  if (path.extension() == ".json") return {.tensors = read_sharded_safetensors(path)};
  const std::vector<StateDict> dictionaries = read_dictionaries(path);
  const NetworkSearch search = find_networks(dictionaries, path.filename().string());
  const FoundNetwork* network = choose_network(search, wanted);
  if (network == nullptr && has_config && dictionaries.size() == 1)
    return {.tensors = dictionaries.front().set};
  if (network == nullptr) refuse(path, dictionaries);
  if (!network->place.empty())
    log_info("{}: weights of '{}'", path.string(), shorten(network->place));
  return {.tensors = network->set,
          .kind = network->kind,
          .unread_average = search.unread_average,
          .betas = network->betas,
          .autoencoder = search.autoencoder};
}

// Moves what was found to the model.
void take(FoundWeights& found, ModelFile& model) {
  model.tensors = std::move(found.tensors);
  model.kind = found.kind;
  model.unread_average = found.unread_average;
  model.betas = std::move(found.betas);
  if (!found.autoencoder.empty())
    model.obstacle = format_text(
        "its images are latents of an autoencoder ({}), which would have to decode them",
        found.autoencoder);
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

constexpr const char* kWeightsName = "diffusion_pytorch_model";

// The file of weights of a diffusers folder: the plain one, or else that of a variant such as fp16,
// the first by name. Empty if there is none.
fs::path weights_in(const fs::path& folder) {
  for (const char* ending : {".safetensors", ".safetensors.index.json", ".bin", ".ckpt"})
    if (fs::exists(folder / (kWeightsName + std::string(ending))))
      return folder / (kWeightsName + std::string(ending));
  std::vector<fs::path> variants;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_shard = name.find("-of-") != std::string::npos;
    if (name.starts_with(kWeightsName + std::string(".")) && !is_shard &&
        (name.ends_with(".safetensors") || name.ends_with(".bin")))
      variants.push_back(entry.path());
  }
  if (variants.empty()) return {};
  std::ranges::sort(variants);
  log_info("{}: the variant {}", folder.string(), variants.front().filename().string());
  return variants.front();
}

bool is_unet_config(const fs::path& path) {
  if (!fs::is_regular_file(path)) return false;
  nlohmann::json document;
  try {
    document = read_json_file(path);
  } catch (const CheckpointError&) {  // a config of this program with comments, or a broken one
    return !weights_in(path.parent_path()).empty();
  }
  return document.is_object() &&
         (document.contains("_class_name") || document.contains("block_out_channels"));
}

fs::path find_weights(const fs::path& folder) {
  if (const fs::path weights = weights_in(folder); !weights.empty()) return weights;
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
  if (other_process(scheduler).empty())
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

std::optional<DiffusersFolder> find_diffusers_folder(const fs::path& path, WeightSet wanted) {
  const bool is_folder = fs::is_directory(path);
  const fs::path folder = is_folder ? path : path.parent_path();
  std::vector<fs::path> candidates = {folder};
  // A checkpoint of diffusers' training script has the average in a folder of its own.
  const bool has_average = is_folder && is_unet_config(folder / "unet_ema" / "config.json");
  if (is_folder) candidates.insert(candidates.begin(), folder / "unet");
  if (has_average && wanted == WeightSet::kEma)
    candidates.insert(candidates.begin(), folder / "unet_ema");
  for (const fs::path& unet : candidates)
    if (is_unet_config(unet / "config.json")) {
      DiffusersFolder found{.unet = unet / "config.json",
                            .scheduler = find_scheduler(unet),
                            .weights = is_folder ? find_weights(unet) : path};
      if (has_average)
        found.kind = unet == candidates.front() && wanted == WeightSet::kEma ? WeightKind::kEma
                                                                             : WeightKind::kRaw;
      if (unet != folder && fs::exists(folder / "model_index.json"))
        found.index = folder / "model_index.json";
      return found;
    }
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
  FoundWeights found_weights = read_weights(folder.weights, weights, /*has_config=*/true);
  take(found_weights, model);
  if (folder.kind != WeightKind::kUnknown) model.kind = folder.kind;
  model.tensors = rename_old_diffusers(model.tensors);
  for (const std::string& reason :
       {other_process(scheduler),
        folder.index.empty() ? std::string() : latents_of(read_json_file(folder.index))})
    if (!reason.empty()) model.obstacle = reason;
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
  return model;
}

ModelFile open_inferred(const fs::path& file, WeightSet weights,
                        std::span<const ConfigOverride> overrides) {
  FoundWeights found = read_weights(file, weights, /*has_config=*/false);
  ModelFile result;
  result.weights = file;
  take(found, result);
  const TensorSet set = result.tensors;
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
  result.tensors =
      model.names == inferred.layout.scheme ? set : from_layout(set, inferred.layout, model);
  // pytorch_ddpm stores its table of sinusoids, which is not needed: the network here computes it.
  std::erase_if(result.tensors.tensors, [](const TensorView& view) {
    return view.name == "time_embedding.timembedding.0.weight";
  });
  result.config = inferred.config;
  result.process_is_assumed = true;
  result.format = *parse_choice<ModelFormat>(name_of(inferred.layout.scheme));
  return result;
}

}  // namespace ddpm
