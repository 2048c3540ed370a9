#include "ddpm/interop/lora.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/interop/translate.h"

namespace ddpm {
namespace {

enum class Part { kDown, kUp, kAlpha };

struct Ending {
  std::string_view text;
  Part part;
};

// The longer ones of those that end alike come first.
constexpr std::array<Ending, 9> kEndings = {{{".lora_linear_layer.down.weight", Part::kDown},
                                             {".lora_linear_layer.up.weight", Part::kUp},
                                             {".lora.down.weight", Part::kDown},
                                             {".lora.up.weight", Part::kUp},
                                             {".lora_down.weight", Part::kDown},
                                             {".lora_up.weight", Part::kUp},
                                             {".lora_A.weight", Part::kDown},
                                             {".lora_B.weight", Part::kUp},
                                             {".alpha", Part::kAlpha}}};

// What LyCORIS and others add, and this program does not compute.
constexpr std::array<std::string_view, 6> kOthers = {".lora_mid.", ".hada_",   ".lokr_",
                                                     ".diff.",     ".diff_b.", ".dora_scale."};

struct Prefix {
  std::string_view text;
  LoraNetwork network;
};

constexpr std::array<Prefix, 7> kPrefixes = {{{"lora_unet_", LoraNetwork::kUNet},
                                              {"lora_te_", LoraNetwork::kText},
                                              {"lora_te1_", LoraNetwork::kText},
                                              {"lora_te2_", LoraNetwork::kText2},
                                              {"unet.", LoraNetwork::kUNet},
                                              {"text_encoder.", LoraNetwork::kText},
                                              {"text_encoder_2.", LoraNetwork::kText2}}};

// A module as both ways of naming have it.
using Key = std::pair<LoraNetwork, std::string>;

std::string with_underscores(std::string path) {
  std::ranges::replace(path, '.', '_');
  return path;
}

std::map<Key, std::size_t> keys_of(std::span<const LoraModule> modules) {
  std::map<Key, std::size_t> keys;
  for (std::size_t i = 0; i < modules.size(); ++i)
    for (const std::string& path : modules[i].paths)
      keys.emplace(Key(modules[i].network, with_underscores(path)), i);
  return keys;
}

// "attn1.processor.to_q_lora.down.weight" of old files, as "attn1.to_q.lora.down.weight".
std::string without_processor(const std::string& name) {
  const std::string word = ".processor.";
  const std::size_t at = name.find(word);
  if (at == std::string::npos) return name;
  std::string rest = name.substr(at + word.size());
  const std::size_t end = rest.find("_lora.");
  if (end == std::string::npos) return name;
  const std::string module = rest.substr(0, end) == "to_out" ? "to_out.0" : rest.substr(0, end);
  return name.substr(0, at) + "." + module + ".lora." + rest.substr(end + 6);
}

struct Name {
  Key module;
  Part part;
};

// Throws CheckpointError unless the tensor is part of a change of some module.
Name parse(const TensorSet& file, const std::string& given) {
  const auto fail = [&](const std::string& reason) {
    throw CheckpointError(
        format_text("{}: tensor '{}': {}", file.path.string(), shorten(given), reason));
  };
  for (const std::string_view other : kOthers)
    if ((given + ".").find(other) != std::string::npos)
      fail("this kind of change (LyCORIS, DoRA) is not supported, only LoRA is");
  const std::string name = without_processor(given);
  const auto prefix = std::ranges::find_if(
      kPrefixes, [&](const Prefix& p) { return std::string_view(name).starts_with(p.text); });
  const auto ending = std::ranges::find_if(
      kEndings, [&](const Ending& e) { return std::string_view(name).ends_with(e.text); });
  if (prefix == kPrefixes.end() || ending == kEndings.end() ||
      name.size() < prefix->text.size() + ending->text.size())
    fail(
        "not a LoRA for Stable Diffusion; names are like lora_unet_....lora_down.weight or "
        "unet....lora_A.weight");
  const std::string path =
      name.substr(prefix->text.size(), name.size() - prefix->text.size() - ending->text.size());
  return {{prefix->network, with_underscores(path)}, ending->part};
}

// The only number of a tensor.
double scalar_of(const TensorSet& file, const TensorView& view) {
  const std::vector<double> values = values_of(view);
  if (values.size() != 1 || !std::isfinite(values.front()))
    throw CheckpointError(format_text("{}: tensor '{}' must be one finite number",
                                      file.path.string(), shorten(view.name)));
  return values.front();
}

struct Change {
  const TensorView *down = nullptr, *up = nullptr, *alpha = nullptr;
};

LoraUpdate to_update(const TensorSet& file, std::size_t module, const Change& change) {
  if (change.down == nullptr || change.up == nullptr) {
    const TensorView* half = change.down != nullptr ? change.down : change.up;
    throw CheckpointError(format_text("{}: the other half of '{}' is missing", file.path.string(),
                                      shorten((half != nullptr ? half : change.alpha)->name)));
  }
  const std::vector<std::int64_t>&down = change.down->shape, &up = change.up->shape;
  if (down.size() < 2 || up.size() < 2 || down[0] != up[1] || down[0] < 1)
    throw CheckpointError(format_text("{}: the shapes of '{}' and '{}' do not fit each other",
                                      file.path.string(), shorten(change.down->name),
                                      shorten(change.up->name)));
  const double rank = static_cast<double>(down[0]);
  return {.module = module,
          .down = *change.down,
          .up = *change.up,
          .factor = change.alpha == nullptr ? 1 : scalar_of(file, *change.alpha) / rank};
}

constexpr std::string_view kWeight = ".weight";

// "conv_in" of "conv_in.weight"; empty for what is no weight.
std::string module_of(const std::string& tensor) {
  if (!tensor.ends_with(kWeight)) return "";
  return tensor.substr(0, tensor.size() - kWeight.size());
}

}  // namespace

std::vector<LoraModule> unet_lora_modules(const ModelConfig& model,
                                          std::span<const std::string> names) {
  std::map<std::string, std::vector<std::string>> paths;
  for (const NamingScheme scheme : {NamingScheme::kDiffusers, NamingScheme::kOpenai})
    for (const auto& [own, foreign] : module_names(model, scheme)) paths[own].push_back(foreign);
  std::vector<LoraModule> modules;
  for (const std::string& name : names)
    modules.push_back({.network = LoraNetwork::kUNet, .paths = paths[module_of(name)]});
  return modules;
}

std::vector<LoraModule> text_lora_modules(LoraNetwork encoder, std::span<const std::string> names) {
  std::vector<LoraModule> modules;
  for (const std::string& name : names) {
    LoraModule module{.network = encoder, .paths = {}};
    if (const std::string own = module_of(name); !own.empty())
      module.paths = {"text_model." + own, own};  // the prefix is missing since transformers 5.6
    modules.push_back(std::move(module));
  }
  return modules;
}

std::vector<LoraUpdate> read_lora(const TensorSet& file, std::span<const LoraModule> modules) {
  const std::map<Key, std::size_t> keys = keys_of(modules);
  std::map<std::size_t, Change> changes;
  std::vector<std::string> unknown;
  for (const TensorView& view : file.tensors) {
    const Name name = parse(file, view.name);
    const auto found = keys.find(name.module);
    if (found == keys.end()) {
      unknown.push_back(view.name);
      continue;
    }
    Change& change = changes[found->second];
    const TensorView*& place = name.part == Part::kDown ? change.down
                               : name.part == Part::kUp ? change.up
                                                        : change.alpha;
    if (place != nullptr)
      throw CheckpointError(format_text("{}: '{}' and '{}' change the same weight",
                                        file.path.string(), shorten(place->name),
                                        shorten(view.name)));
    place = &view;
  }
  if (!unknown.empty())
    throw CheckpointError(format_text(
        "{}: {} of its {} tensors are for modules that this model does not have, such as '{}'; the "
        "LoRA was made for another version of Stable Diffusion",
        file.path.string(), unknown.size(), file.tensors.size(), shorten(unknown.front())));
  if (changes.empty()) throw CheckpointError(file.path.string() + ": there is no LoRA in it");
  std::vector<LoraUpdate> updates;
  for (const auto& [module, change] : changes) updates.push_back(to_update(file, module, change));
  return updates;
}

}  // namespace ddpm
