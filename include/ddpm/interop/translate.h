// The tensors of one network in the layouts of different code bases.
#pragma once

#include <string>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// How a state dict is laid out beyond its names.
struct Layout {
  NamingScheme scheme = NamingScheme::kDiffusers;
  bool blocked_heads = false;  // openai: q, k and v lie one after the other (its "new attention
                               // order"), not head by head

  // The scheme, and model.qkv_order.
  static Layout of(NamingScheme scheme, const ModelConfig& model) {
    return {.scheme = scheme, .blocked_heads = model.qkv_order == QkvOrder::kBlocked};
  }
};

// Tensors in a layout, from tensors under the network's own names (model.names) and back. Values
// never change; where only names and shapes differ the bytes are shared. Tensors that the network
// does not know keep their names, so that loading can list them. The network must have been found
// to fit the layout (interop/requirements.h).
TensorSet to_layout(const TensorSet& own, const Layout& layout, const ModelConfig& model);
TensorSet from_layout(const TensorSet& foreign, const Layout& layout, const ModelConfig& model);

// Tensors of diffusers files of before version 0.18, which called the projections of attention
// query, key, value and proj_attn, and could be [C,C,1,1], under their present names. Others stay.
TensorSet rename_old_diffusers(TensorSet set);

}  // namespace ddpm
