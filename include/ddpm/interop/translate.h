// Translates the tensors of a network between the layouts of different code bases.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// How a state dict is laid out: its names, and the order of values where code bases differ.
struct Layout {
  NamingScheme scheme = NamingScheme::kDiffusers;
  bool blocked_heads = false;  // openai: all of q, then k, then v (its "new attention order"),
                               // not head by head

  // The layout of this scheme with the order of model.qkv_order.
  static Layout of(NamingScheme scheme, const ModelConfig& model) {
    return {.scheme = scheme, .blocked_heads = model.qkv_order == QkvOrder::kBlocked};
  }
};

// to_layout translates tensors with the network's own names (model.names) to a layout; from_layout
// does the reverse. Values never change; if only names and shapes differ, the bytes are shared.
// Tensors that the network does not know keep their names, so that loading can list them. The
// network must fit the layout: check_layout() in interop/requirements.h tests this.
TensorSet to_layout(const TensorSet& own, const Layout& layout, const ModelConfig& model);
TensorSet from_layout(const TensorSet& foreign, const Layout& layout, const ModelConfig& model);

// The modules of the network that may have parameters, by their own names (model.names) and by those of
// another scheme, whether that scheme can hold the network or not.
std::vector<std::pair<std::string, std::string>> module_names(const ModelConfig& model,
                                                              NamingScheme scheme);

// Gives tensors of old diffusers files their present names and shapes. Before version 0.18, the
// projections of attention were called query, key, value and proj_attn, and their weights could be
// [C,C,1,1]. Other tensors stay as they are.
TensorSet rename_old_diffusers(TensorSet set);

}  // namespace ddpm
