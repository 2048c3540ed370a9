// Finds the networks in a file of another program, whatever its trainer put around them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/formats/torch_file.h"

namespace ddpm {

// CompVis and Stability keep OpenAI's network below this.
inline constexpr const char* kCompVisPrefix = "model.diffusion_model.";

// The set without `prefix` before each name; tensors without it are left out.
TensorSet without_prefix(const TensorSet& set, const std::string& prefix);

// What a file tells about its weights: averaged over the training, those of the last step, or
// nothing.
enum class WeightKind { kEma, kRaw, kUnknown };
constexpr auto choice_names(WeightKind) { return name_list("ema", "raw", "unknown"); }

struct FoundNetwork {
  std::string place;  // dictionaries and prefixes around it, such as "ema.module"; "": none
  WeightKind kind = WeightKind::kUnknown;
  TensorSet set;              // named as the network's scheme names them (interop/names.h)
  std::vector<double> betas;  // the table of the noise schedule beside the network; empty: none
};

struct NetworkSearch {
  // In the order of the file, less deeply nested ones first.
  std::vector<FoundNetwork> networks;
  // Where there are averaged weights that fit no network of the file; "": there are none.
  std::string unread_average;
  // A part of the file that shows what the network is for, such as "first_stage_model"; "": none.
  std::string autoencoder;
};

// A network is what has the first convolution and the time embedding of a naming scheme, below any
// prefix. `_orig_mod` and its like are removed wherever they stand. A prefix or key with the word
// ema, shadow or average makes it an average; if there is one, the other networks are raw. A list
// of tensors under such a key (shadow_params) takes its names from the network beside it with the
// same shapes in the same order. Of several equal networks in one list, the first is raw and the
// last is the average, as ermongroup/ddim saves them. `file_name` counts as the outermost key if it
// begins with "ema_", as OpenAI's files do.
NetworkSearch find_networks(const std::vector<StateDict>& dictionaries,
                            const std::string& file_name);

// The network with the wanted weights, or else the first; null if there is none.
const FoundNetwork* choose_network(const NetworkSearch& search, WeightSet wanted);

// One line for each dictionary, for a message that none holds a network: its key, the number of its
// tensors, the first names, and whether it is an optimiser's state.
std::string describe_dictionaries(std::span<const StateDict> dictionaries);

}  // namespace ddpm
