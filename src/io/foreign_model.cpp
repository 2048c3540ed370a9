#include "foreign_model.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/validate.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/compvis.h"
#include "ddpm/interop/diffusers.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/translate.h"

namespace ddpm {
namespace {

// --- Files of weights ----------------------------------------------------------------------------

[[noreturn]] void refuse(const fs::path& path, const std::vector<StateDict>& dictionaries) {
  for (const StateDict& dictionary : dictionaries)
    if (const std::string other = describe_other_network(dictionary.set); !other.empty())
      throw CheckpointError(path.string() + ": " + other);
  throw CheckpointError(format_text(
      "{}: {} a known network (diffusers, labml, ho, pytorch_ddpm, openai, CompVis):{}\nIf one is, "
      "save it alone, under its own names: torch.save(model.state_dict(), ...)",
      path.string(),
      dictionaries.size() == 1
          ? "its tensors are not those of"
          : format_text("none of its {} sets of tensors is", dictionaries.size()),
      describe_dictionaries(dictionaries)));
}

// Sets the tensors of a model to those of the network with the wanted weights in its file, which
// another program wrote, and what else the file tells. With a config, whatever tensors the file has
// are compared with it later; without one they must show which network they are. Returns the whole
// file.
std::vector<StateDict> read_weights(ModelFile& model, WeightSet wanted, bool has_config) {
  const fs::path& path = model.weights;
  const std::vector<StateDict> dictionaries = read_state_dicts(path);
  const NetworkSearch search = find_networks(dictionaries, path.filename().string());
  const FoundNetwork* network = choose_network(search, wanted);
  if (network == nullptr && has_config && dictionaries.size() == 1) {
    model.tensors = dictionaries.front().set;
    return dictionaries;
  }
  if (network == nullptr) refuse(path, dictionaries);
  if (!network->place.empty())
    log_info("{}: weights of '{}'", path.string(), shorten(network->place));
  model.tensors = network->set;
  model.kind = network->kind;
  model.unread_average = search.unread_average;
  model.betas = network->betas;
  if (!search.autoencoder.empty()) model.autoencoder = search.autoencoder;
  return dictionaries;
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

void read_configs(const DiffusersFolder& folder, ModelFile& model) {
  apply_unet_config(read_json_file(folder.unet), folder.unet.string(), model.config);
  // Without a scheduler the empty object gives the defaults of DDPMScheduler.
  nlohmann::json scheduler = nlohmann::json::object();
  if (folder.scheduler.empty())
    log_info("{}: no scheduler_config.json; using the defaults of DDPMScheduler",
             folder.unet.string());
  else
    scheduler = read_json_file(folder.scheduler);
  if (const std::string other = other_process(scheduler); !other.empty())
    model.obstacle = other;
  else
    apply_scheduler_config(scheduler, folder.scheduler.string(), model.config);
  if (folder.index.empty()) return;
  model.autoencoder = autoencoder_of(read_json_file(folder.index));
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

// --- CompVis -------------------------------------------------------------------------------------

// Settings of CompVis beside a file of weights: NAME.json beside NAME.safetensors. Empty: there are
// none.
fs::path compvis_config_beside(const fs::path& file) {
  fs::path beside = file;
  beside.replace_extension(".json");
  if (beside == file || !fs::is_regular_file(beside)) return {};
  return is_compvis_config(read_json_file(beside)) ? beside : fs::path();
}

// Sets what neither names nor shapes of a network of Stable Diffusion show, from its settings beside
// it, or from marks in the file.
void read_settings(const fs::path& file, const std::vector<StateDict>& dictionaries,
                   const TensorSet& network, InferredModel& inferred) {
  Config& config = inferred.config;
  log_info("{}: by its tensors this is {}", file.string(),
           describe_stable_diffusion(config.model, config.data.channels));
  if (const fs::path settings = compvis_config_beside(file); !settings.empty()) {
    Config given;
    apply_compvis_config(read_json_file(settings), settings.string(), given);
    config = given;
    inferred.assumed = {format_text("nothing: the settings are in {}", settings.string())};
    return;
  }
  for (const StateDict& dictionary : dictionaries)
    if (const std::string by = apply_prediction_marks(dictionary.set, network, config);
        !by.empty()) {
      inferred.assumed.at(1) =
          format_text("predictions of the velocity, by {} (diffusion.prediction_type)", by);
      return;
    }
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
  read_configs(folder, model);
  read_weights(model, weights, /*has_config=*/true);
  if (folder.kind != WeightKind::kUnknown) model.kind = folder.kind;
  model.tensors = rename_old_diffusers(model.tensors);
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
  ModelFile result;
  result.weights = file;
  const std::vector<StateDict> all = read_weights(result, weights, /*has_config=*/false);
  InferredModel inferred = infer_model(result.tensors);
  if (inferred.config.model.context_width > 0) read_settings(file, all, result.tensors, inferred);
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
  if (model.names != inferred.layout.scheme)
    result.tensors = from_layout(result.tensors, inferred.layout, model);
  // pytorch_ddpm stores its table of sinusoids, which is not needed: the network here computes it.
  std::erase_if(result.tensors.tensors, [](const TensorView& view) {
    return view.name == "time_embedding.timembedding.0.weight";
  });
  result.config = inferred.config;
  result.process_is_assumed = true;
  result.format = *parse_choice<ModelFormat>(name_of(inferred.layout.scheme));
  if (model.context_width > 0) result.format = ModelFormat::kCompvis;
  return result;
}

}  // namespace ddpm
