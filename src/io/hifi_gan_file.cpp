#include "ddpm/io/hifi_gan_file.h"

#include <algorithm>
#include <array>
#include <regex>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/new_folder.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/find_networks.h"
#include "ddpm/io/weights.h"

namespace ddpm {
namespace {

// --- Finding the files -----------------------------------------------------------------------------

// config.json, or else the only config of HiFi-GAN in the folder. Empty if there is none.
fs::path config_in(const fs::path& folder) {
  if (is_hifi_gan_config_file(folder / "config.json")) return folder / "config.json";
  std::vector<fs::path> configs;
  for (const fs::path& path : list_folder(folder))
    if (is_hifi_gan_config_file(path)) configs.push_back(path);
  return configs.size() == 1 ? configs.front() : fs::path();
}

// The config that belongs to this path: the path itself, one in the folder, or one beside the file. Empty
// if there is none.
fs::path config_of(const fs::path& path) {
  if (is_folder(path)) return config_in(path);
  if (is_hifi_gan_config_file(path)) return path;
  const fs::path of_same_name = fs::path(path).replace_extension(".json");
  return is_hifi_gan_config_file(of_same_name) ? of_same_name : config_in(path.parent_path());
}

// Whether that is the name of a generator's checkpoint; do_NUMBER are the discriminators.
bool is_checkpoint_name(const fs::path& path) {
  static const std::regex kName("g_\\d+|generator[^.]*|.*\\.(safetensors|pt|pth|bin|ckpt|tar)");
  const std::string name = path.filename().string();
  return std::regex_match(name, kName) && !name.starts_with("do_");
}

// The number of a checkpoint of the published trainer, g_00500000; -1 for other names.
long long step_of(const fs::path& path) {
  static const std::regex kName("g_(\\d{1,18})");
  std::smatch match;
  const std::string name = path.filename().string();
  return std::regex_match(name, match, kName) ? std::stoll(match[1]) : -1;
}

fs::path weights_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& path : list_folder(folder))
    if (is_checkpoint_name(path) && !is_folder(path)) files.push_back(path);
  if (files.empty())
    throw CheckpointError(format_text(
        "{}: there is a config of HiFi-GAN, but no checkpoint of its generator (g_NUMBER, generator_v1, "
        "NAME.safetensors, NAME.pt)",
        shown(folder)));
  std::ranges::stable_sort(files, {}, step_of);
  if (files.size() == 1 || step_of(files.back()) >= 0) return files.back();
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(printable(file.filename().string()));
  throw CheckpointError(format_text("{}: there are several checkpoints, {}; name one of them",
                                    shown(folder), join(names, ", ", " and ")));
}

fs::path require_config(const fs::path& path) {
  if (!path_exists(path)) throw CheckpointError(shown(path) + ": no such file or folder");
  fs::path config = config_of(path);
  if (!config.empty()) return config;
  throw CheckpointError(format_text(
      "{}: there is no config of HiFi-GAN {}: a config.json with upsample_rates, as published with "
      "the checkpoint",
      shown(path), is_folder(path) ? "in it" : "beside it"));
}

HifiGanConfig read_config(const fs::path& path) {
  return read_hifi_gan_config(read_json_file(path), shown(path));
}

// --- Reading ---------------------------------------------------------------------------------------

bool ends_with_pre(const TensorView& view) { return view.name.ends_with("conv_pre.bias"); }

// The tensors of the generator under its own names.
TensorSet generator_of(const fs::path& path) {
  const std::vector<StateDict> dictionaries = read_state_dicts(path);
  for (const StateDict& dictionary : dictionaries) {
    const auto& tensors = dictionary.set.tensors;
    const auto first = std::ranges::find_if(tensors, ends_with_pre);
    if (first == tensors.end()) continue;
    return without_prefix(
        dictionary.set,
        first->name.substr(0, first->name.size() - std::string("conv_pre.bias").size()));
  }
  throw CheckpointError(
      path.string() +
      ": there is no generator of HiFi-GAN (with conv_pre, ups and resblocks) in it:" +
      describe_dictionaries(dictionaries));
}

// --- Weight norm -----------------------------------------------------------------------------------

// The names of g and v as the endings of a parameter, in the older and in the newer form of PyTorch.
constexpr std::array<std::array<std::string_view, 2>, 2> kPairs = {
    {{".weight_g", ".weight_v"},
     {".parametrizations.weight.original0", ".parametrizations.weight.original1"}}};
constexpr std::string_view kWeight = ".weight";

// Renames the newer form to the older one, which the published code reads.
TensorSet with_old_names(TensorSet set) {
  for (TensorView& view : set.tensors)
    for (std::size_t i = 0; i < 2; ++i)
      if (view.name.ends_with(kPairs[1][i]))
        view.name.replace(view.name.size() - kPairs[1][i].size(), std::string::npos, kPairs[0][i]);
  return set;
}

std::string base_of(const std::string& name, std::string_view ending) {
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : "";
}

// The norm over all axes but the first, [dim0,1,1].
torch::Tensor norm_of(const torch::Tensor& v) {
  return torch::linalg_vector_norm(v, 2, {1, 2}, /*keepdim=*/true, torch::kFloat32);
}

torch::Tensor weight_of(const TensorView& g_view, const TensorView& v_view, const fs::path& path) {
  const torch::Tensor g = to_tensor(g_view).to(torch::kFloat32);
  const torch::Tensor v = to_tensor(v_view).to(torch::kFloat32);
  if (v.dim() != 3 || g.sizes() != torch::IntArrayRef({v.size(0), 1, 1}))
    throw CheckpointError(format_text("{}: the shapes of {} and {} do not fit each other",
                                      path.string(), g_view.name, v_view.name));
  const torch::Tensor norm = norm_of(v);
  return v * torch::where(norm > 0, g / norm, torch::zeros_like(g));  // not 0/0
}

// The set with these tensors instead of those whose names are in `replaced`.
TensorSet joined(const TensorSet& set, const std::vector<std::string>& replaced,
                 const std::vector<NamedTensor>& computed) {
  TensorSet result = to_tensor_set(computed);
  result.path = set.path;
  result.metadata = set.metadata;
  // The views of both sets stay valid.
  result.memory =
      std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
          set.memory, result.memory);
  for (const TensorView& view : set.tensors)
    if (std::ranges::find(replaced, view.name) == replaced.end()) result.tensors.push_back(view);
  return result;
}

}  // namespace

TensorSet without_weight_norm(const TensorSet& tensors) {
  const TensorSet set = with_old_names(tensors);
  const auto& [g_ending, v_ending] = kPairs[0];
  std::vector<std::string> replaced;
  std::vector<NamedTensor> weights;
  for (const TensorView& g : set.tensors) {
    const std::string base = base_of(g.name, g_ending);
    const TensorView* v = base.empty() ? nullptr : set.find(base + std::string(v_ending));
    if (v == nullptr) continue;
    weights.push_back({base + std::string(kWeight), weight_of(g, *v, set.path)});
    replaced.insert(replaced.end(), {g.name, v->name});
  }
  return joined(set, replaced, weights);
}

TensorSet with_weight_norm(const TensorSet& tensors) {
  const TensorSet set = with_old_names(tensors);
  std::vector<std::string> replaced;
  std::vector<NamedTensor> pairs;
  for (const TensorView& view : set.tensors) {
    const std::string base = base_of(view.name, kWeight);
    if (base.empty() || view.shape.size() != 3) continue;
    const torch::Tensor weight = to_tensor(view);
    pairs.push_back({base + std::string(kPairs[0][0]), norm_of(weight.to(torch::kFloat32))});
    pairs.push_back({base + std::string(kPairs[0][1]), weight});
    replaced.push_back(view.name);
  }
  return joined(set, replaced, pairs);
}

bool is_hifi_gan_config_file(const fs::path& path) {
  if (path.extension() != ".json" || !path_exists(path)) return false;
  try {
    return is_hifi_gan_config(read_json_file(path));
  } catch (const CheckpointError&) {  // some other JSON file
    return false;
  }
}

HifiGanConfig hifi_gan_config_of(const fs::path& path) { return read_config(require_config(path)); }

HifiGanFile open_hifi_gan(const fs::path& path) {
  HifiGanFile file;
  file.config_path = require_config(path);
  file.config = read_config(file.config_path);
  const bool is_weights = !is_folder(path) && path != file.config_path;
  file.weights = is_weights ? path : weights_in(file.config_path.parent_path());
  file.tensors = generator_of(file.weights);
  log_debug("weights: {}", shown(file.weights));
  return file;
}

std::vector<fs::path> export_hifi_gan(const HifiGanFile& file, HifiGanFormat format,
                                      const fs::path& folder) {
  const TensorSet tensors = format == HifiGanFormat::kHifigan ? without_weight_norm(file.tensors)
                                                              : with_weight_norm(file.tensors);
  NewFolder output(folder);
  write_safetensors(output.add("model.safetensors"), tensors.tensors, {{"format", "pt"}});
  write_file_atomically(output.add("config.json"), read_file(file.config_path, kMaxJsonBytes));
  return output.finish();
}

}  // namespace ddpm
