#include "ddpm/interop/find_networks.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/interop/infer.h"
#include "ddpm/interop/names.h"

namespace ddpm {
namespace {

// --- Names and their parts -----------------------------------------------------------------------

std::vector<std::string> split(std::string_view name) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    parts.emplace_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string join_path(const std::string& outer, const std::string& inner) {
  if (outer.empty() || inner.empty()) return outer + inner;
  return outer + "." + inner;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c); });
}

// Whether one of the words of a key, such as ema in "model_ema" or "modelEMA", is in `words`.
bool has_word(std::string_view key, const std::set<std::string>& words) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string word;
  for (std::size_t i = 0; i < key.size(); ++i) {
    // A capital begins a word after a small letter, and before one: EMA|Model.
    const bool begins = is_upper(key[i]) && i > 0 &&
                        (is_lower(key[i - 1]) || (i + 1 < key.size() && is_lower(key[i + 1])));
    if (begins || !(is_lower(key[i]) || is_upper(key[i]))) {
      if (words.contains(lower_case(word))) return true;
      word.clear();
    }
    if (is_lower(key[i]) || is_upper(key[i])) word += key[i];
  }
  return words.contains(lower_case(word));
}

// The innermost key that says something decides: in "ema.online_model" the weights are raw.
WeightKind kind_of(const std::string& place) {
  static const std::set<std::string> kAverage = {"ema",      "shadow", "average", "averaged", "avg",
                                                 "averages", "swa",    "polyak",  "emas"};
  static const std::set<std::string> kRaw = {"online", "raw"};
  const std::vector<std::string> keys = split(place);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    if (has_word(*key, kAverage)) return WeightKind::kEma;
    if (has_word(*key, kRaw)) return WeightKind::kRaw;
  }
  return WeightKind::kUnknown;
}

// Without the parts that torch.compile, FSDP and checkpointing put into names, at any depth.
TensorSet without_wrappers(const TensorSet& set) {
  static const std::set<std::string> kWrappers = {"_orig_mod", "_fsdp_wrapped_module",
                                                  "_checkpoint_wrapped_module"};
  TensorSet result = set;
  for (TensorView& view : result.tensors) {
    std::vector<std::string> parts = split(view.name);
    if (std::erase_if(parts, [&](const std::string& part) { return kWrappers.contains(part); }) > 0)
      view.name = join(parts, ".");
  }
  return result;
}

// --- Networks of one dictionary ------------------------------------------------------------------

// Prefixes below which a first convolution lies; the empty one, or ending with a dot.
std::vector<std::string> prefixes_of(const TensorSet& set) {
  constexpr std::size_t kMost = 64;  // each costs a pass over the names
  std::set<std::string> firsts;
  for (const NamingScheme scheme : kChoices<NamingScheme>)
    firsts.insert(UNetNames::of(scheme).conv_in + ".weight");
  std::vector<std::string> prefixes;
  for (const TensorView& view : set.tensors)
    for (const std::string& first : firsts) {
      if (!view.name.ends_with(first)) continue;
      const std::string prefix = view.name.substr(0, view.name.size() - first.size());
      const bool whole = prefix.empty() || prefix.ends_with('.');
      if (whole && std::ranges::find(prefixes, prefix) == prefixes.end() && prefixes.size() < kMost)
        prefixes.push_back(prefix);
    }
  return prefixes;
}

// Whether a tensor belongs to the module around the network: a table of the diffusion process or a
// counter.
bool is_of_process(const TensorView& view) {
  static const std::set<std::string_view> kNames = {
      "betas",   "num_timesteps", "timesteps",    "sigmas", "log_sigmas",
      "snr",     "loss_weight",   "lvlb_weights", "logvar", "scale_factor",
      "initted", "step",          "global_step",  "epoch"};
  static const std::array<std::string_view, 6> kBeginnings = {
      "alpha", "sqrt_", "posterior_", "log_one_minus_", "one_minus_", "p2_loss_weight"};
  return view.shape.size() <= 1 &&
         (kNames.contains(view.name) ||
          std::ranges::any_of(kBeginnings, [&](std::string_view beginning) {
            return view.name.starts_with(beginning);
          }));
}

// Removes what belongs to another of the prefixes or to the diffusion process.
void leave_aside(TensorSet& set, const std::string& prefix,
                 const std::vector<std::string>& prefixes) {
  std::erase_if(set.tensors, [&](const TensorView& view) {
    return is_of_process(view) || std::ranges::any_of(prefixes, [&](const std::string& other) {
             return other.size() > prefix.size() && other.starts_with(prefix) &&
                    (prefix + view.name).starts_with(other);
           });
  });
}

// The table `betas` of a module around the network, as denoising-diffusion-pytorch and CompVis keep
// it: beside the network or beside one of its prefixes. Half precision is too coarse for a schedule.
std::vector<double> betas_around(const TensorSet& set, std::string prefix) {
  while (true) {
    const TensorView* table = set.find(prefix + "betas");
    if (table != nullptr && table->shape.size() == 1)
      return dtype_size(table->dtype) >= 4 ? values_of(*table) : std::vector<double>{};
    if (prefix.empty()) return {};
    prefix.pop_back();
    prefix.resize(prefix.rfind('.') == std::string::npos ? 0 : prefix.rfind('.') + 1);
  }
}

// LitEma of CompVis keeps the average of its module `model` as `model_ema`, under names without
// dots.
std::optional<TensorSet> compvis_average(const TensorSet& all, const std::string& prefix,
                                         const TensorSet& network) {
  if (prefix != kCompVisPrefix) return std::nullopt;
  std::map<std::string_view, const TensorView*> views;
  for (const TensorView& view : all.tensors) views.emplace(view.name, &view);
  TensorSet average = network;
  for (TensorView& view : average.tensors) {
    std::string name = view.name;
    std::erase(name, '.');
    const auto found = views.find("model_ema.diffusion_model" + name);
    if (found == views.end()) return std::nullopt;
    view = {view.name, found->second->dtype, found->second->shape, found->second->bytes};
  }
  return average;
}

void search(const StateDict& dictionary, std::vector<FoundNetwork>& found) {
  const TensorSet set = without_wrappers(dictionary.set);
  const std::vector<std::string> prefixes = prefixes_of(set);
  for (const std::string& prefix : prefixes) {
    TensorSet network = without_prefix(set, prefix);
    leave_aside(network, prefix, prefixes);
    if (!detect_scheme(network)) continue;
    const std::string place =
        join_path(dictionary.name, prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1));
    const std::vector<double> betas = betas_around(set, prefix);
    const std::optional<TensorSet> average = compvis_average(set, prefix, network);
    found.push_back({place, kind_of(place), std::move(network), betas});
    if (average) found.push_back({"model_ema", WeightKind::kEma, *average, betas});
  }
}

// --- What several dictionaries tell --------------------------------------------------------------

bool same_shapes(const TensorSet& a, const TensorSet& b) {
  return std::ranges::equal(a.tensors, b.tensors, {}, &TensorView::shape, &TensorView::shape);
}

bool is_list(const TensorSet& set) {
  for (std::size_t i = 0; i < set.tensors.size(); ++i)
    if (set.tensors[i].name != std::to_string(i)) return false;
  return !set.tensors.empty();
}

// Averages without names, matched to a network by their order.
void name_lists(const std::vector<StateDict>& dictionaries, std::vector<FoundNetwork>& found) {
  const std::size_t named = found.size();
  for (const StateDict& dictionary : dictionaries) {
    if (kind_of(dictionary.name) != WeightKind::kEma || !is_list(dictionary.set)) continue;
    for (std::size_t i = 0; i < named; ++i) {
      if (found[i].kind == WeightKind::kEma || !same_shapes(found[i].set, dictionary.set)) continue;
      TensorSet average = dictionary.set;
      for (std::size_t k = 0; k < average.tensors.size(); ++k)
        average.tensors[k].name = found[i].set.tensors[k].name;
      found.push_back({dictionary.name, WeightKind::kEma, std::move(average), found[i].betas});
      break;
    }
  }
}

// ermongroup/ddim saves the list [model, optimiser, epoch, step, average].
void tell_elements_apart(std::vector<FoundNetwork>& found) {
  std::map<std::string, std::vector<FoundNetwork*>> lists;
  for (FoundNetwork& network : found) {
    std::vector<std::string> keys = split(network.place);
    const auto number = std::ranges::find_if(keys, is_number);
    if (number == keys.end() || network.kind != WeightKind::kUnknown) continue;
    *number = "#";
    lists[join(keys, ".")].push_back(&network);
  }
  for (const auto& [place, elements] : lists) {
    if (elements.size() < 2 || !same_shapes(elements.front()->set, elements.back()->set)) continue;
    elements.front()->kind = WeightKind::kRaw;
    elements.back()->kind = WeightKind::kEma;
  }
}

std::uint64_t bytes_of(const TensorSet& set) {
  std::uint64_t bytes = 0;
  for (const TensorView& view : set.tensors) bytes += view.bytes.size();
  return bytes;
}

// Where there are averaged tensors that are weights: of at least half the size of the network, or
// with two dimensions and more. Others would be numbers such as a decay.
std::string find_unread_average(const std::vector<StateDict>& dictionaries,
                                const TensorSet& network) {
  std::map<std::string, std::uint64_t> bytes;
  const std::uint64_t least = bytes_of(network) / 2;
  const auto count = [&](const std::string& place, const TensorView& view) {
    bytes[place] += view.shape.size() >= 2 ? std::max<std::uint64_t>(least, view.bytes.size())
                                           : view.bytes.size();
  };
  for (const StateDict& dictionary : dictionaries) {
    const bool is_average = kind_of(dictionary.name) == WeightKind::kEma;
    for (const TensorView& view : dictionary.set.tensors) {
      const std::string first = split(view.name).front();
      if (is_average)
        count(dictionary.name, view);
      else if (view.name != first && kind_of(first) == WeightKind::kEma)
        count(join_path(dictionary.name, first), view);
    }
  }
  for (const auto& [place, size] : bytes)
    if (size >= least) return place;
  return "";
}

bool is_optimizer_state(const StateDict& dictionary) {
  return dictionary.name.find("optim") != std::string::npos ||
         dictionary.set.find("exp_avg") != nullptr ||
         dictionary.set.find("momentum_buffer") != nullptr;
}

}  // namespace

TensorSet without_prefix(const TensorSet& set, const std::string& prefix) {
  TensorSet result{set.path, {}, set.metadata, set.memory};
  for (TensorView view : set.tensors) {
    if (!view.name.starts_with(prefix)) continue;
    view.name = view.name.substr(prefix.size());
    result.tensors.push_back(std::move(view));
  }
  return result;
}

NetworkSearch find_networks(const std::vector<StateDict>& dictionaries,
                            const std::string& file_name) {
  NetworkSearch result;
  std::vector<FoundNetwork>& networks = result.networks;
  for (const StateDict& dictionary : dictionaries) {
    if (!is_optimizer_state(dictionary)) search(dictionary, networks);
    for (const TensorView& view : dictionary.set.tensors)
      if (view.name.starts_with("first_stage_model.")) result.autoencoder = "first_stage_model";
  }
  if (networks.empty()) return result;
  name_lists(dictionaries, networks);
  tell_elements_apart(networks);
  if (file_name.starts_with("ema_"))
    for (FoundNetwork& network : networks)
      if (network.kind == WeightKind::kUnknown) network.kind = WeightKind::kEma;
  const auto is_average = [](const FoundNetwork& n) { return n.kind == WeightKind::kEma; };
  if (std::ranges::any_of(networks, is_average)) {
    for (FoundNetwork& network : networks)
      if (network.kind == WeightKind::kUnknown) network.kind = WeightKind::kRaw;
  } else {
    result.unread_average = find_unread_average(dictionaries, networks.front().set);
  }
  std::ranges::stable_sort(networks, {},
                           [](const FoundNetwork& n) { return std::ranges::count(n.place, '.'); });
  return result;
}

const FoundNetwork* choose_network(const NetworkSearch& search, WeightSet wanted) {
  for (const FoundNetwork& network : search.networks)
    if ((network.kind == WeightKind::kEma) == (wanted == WeightSet::kEma)) return &network;
  return search.networks.empty() ? nullptr : &search.networks.front();
}

std::string describe_dictionaries(std::span<const StateDict> dictionaries) {
  constexpr std::size_t kShown = 8, kNames = 3;
  std::string text;
  for (const StateDict& dictionary : dictionaries.first(std::min(kShown, dictionaries.size()))) {
    std::vector<std::string> names;
    const std::vector<TensorView>& tensors = dictionary.set.tensors;
    for (std::size_t i = 0; i < std::min(kNames, tensors.size()); ++i)
      names.push_back(shorten(tensors[i].name, 60));
    text += format_text(
        "\n  {}: {}{}: {}{}",
        dictionary.name.empty() ? "the outermost" : "'" + shorten(dictionary.name, 60) + "'",
        counted(static_cast<std::int64_t>(tensors.size()), "tensor"),
        is_optimizer_state(dictionary) ? ", an optimiser's state" : "", join(names),
        tensors.size() > kNames ? ", ..." : "");
  }
  if (dictionaries.size() > kShown)
    text += format_text("\n  ... and {} more", dictionaries.size() - kShown);
  return text;
}

}  // namespace ddpm
