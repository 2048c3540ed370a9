// Files of low-rank changes to a network's weights (Hu et al., "LoRA: Low-Rank Adaptation of Large
// Language Models", https://arxiv.org/abs/2106.09685), as people share them for Stable Diffusion.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Which network of a model a file changes. XL's two text encoders are kText and kText2.
enum class LoraNetwork { kUNet, kText, kText2 };

// A module with a weight that a file may change. Files name it in one of several ways, and some
// replace all dots by underscores, which cannot be undone; so all names are made forwards from a
// list of modules.
struct LoraModule {
  LoraNetwork network = LoraNetwork::kUNet;
  std::vector<std::string> paths;  // under every scheme, such as diffusers' and CompVis's
};

// The modules whose weights are these tensors, in their order, under all names that files give them.
// Tensors that are no weights have a module without paths, so that positions agree. `names` are the
// network's own: of a UNet of this config, or of a text encoder (interop/clip_text.h).
std::vector<LoraModule> unet_lora_modules(const ModelConfig& model,
                                          std::span<const std::string> names);
std::vector<LoraModule> text_lora_modules(LoraNetwork encoder, std::span<const std::string> names);

// The change of one module: factor * up * down is added to its weight.
struct LoraUpdate {
  std::size_t module = 0;  // position in the list of modules
  TensorView down;         // [rank,in] or [rank,in,k,k]
  TensorView up;           // [out,rank], perhaps with dimensions of size 1 after these
  double factor = 1;       // alpha/rank; 1 if the file has no alpha
};

// The changes that a file describes. Understood are the names of kohya's scripts (lora_unet_...,
// lora_te_...), of PEFT (unet....lora_A.weight) and of older versions of diffusers
// (attn1.processor.to_q_lora.down). Throws CheckpointError for a file without any, with tensors of
// modules that are not in the list (made for another model), with a missing half or shapes that do
// not fit each other, and for LyCORIS's other kinds of change, by name. The views are valid as long
// as the file's memory.
std::vector<LoraUpdate> read_lora(const TensorSet& file, std::span<const LoraModule> modules);

}  // namespace ddpm
