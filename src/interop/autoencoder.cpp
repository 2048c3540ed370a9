#include "ddpm/interop/autoencoder.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

// The path of a part in diffusers and in CompVis; both lists have the same order.
struct PartNames {
  std::string diffusers, compvis;
};

using Parts = std::vector<PartNames>;

void add_residual(Parts& parts, const std::string& diffusers, const std::string& compvis) {
  for (const char* name : {"norm1", "conv1", "norm2", "conv2"})
    parts.push_back({diffusers + "." + name, compvis + "." + name});
  parts.push_back({diffusers + ".conv_shortcut", compvis + ".nin_shortcut"});
}

void add_middle(Parts& parts, const std::string& half) {
  add_residual(parts, half + ".mid_block.resnets.0", half + ".mid.block_1");
  add_residual(parts, half + ".mid_block.resnets.1", half + ".mid.block_2");
  const std::string diffusers = half + ".mid_block.attentions.0.", compvis = half + ".mid.attn_1.";
  parts.push_back({diffusers + "group_norm", compvis + "norm"});
  parts.push_back({diffusers + "to_q", compvis + "q"});
  parts.push_back({diffusers + "to_k", compvis + "k"});
  parts.push_back({diffusers + "to_v", compvis + "v"});
  parts.push_back({diffusers + "to_out.0", compvis + "proj_out"});
}

void add_ends(Parts& parts, const std::string& half) {
  for (const auto& [diffusers, compvis] :
       {PartNames{"conv_in", "conv_in"}, {"conv_norm_out", "norm_out"}, {"conv_out", "conv_out"}})
    parts.push_back({half + "." + diffusers, half + "." + compvis});
}

// Every layer that such a network can have. CompVis counts the decoder's levels from full size.
Parts parts_of(const AutoencoderConfig& config) {
  Parts parts = {{"quant_conv", "quant_conv"}, {"post_quant_conv", "post_quant_conv"}};
  for (const char* half : {"encoder", "decoder"}) {
    add_ends(parts, half);
    add_middle(parts, half);
  }
  const std::int64_t levels = std::ssize(config.widths);
  for (std::int64_t level = 0; level < levels; ++level) {
    const std::string down = format_text("encoder.down_blocks.{}.", level),
                      down_compvis = format_text("encoder.down.{}.", level),
                      up = format_text("decoder.up_blocks.{}.", levels - 1 - level),
                      up_compvis = format_text("decoder.up.{}.", level);
    for (std::int64_t block = 0; block <= config.blocks; ++block) {
      if (block < config.blocks)
        add_residual(parts, format_text("{}resnets.{}", down, block),
                     format_text("{}block.{}", down_compvis, block));
      add_residual(parts, format_text("{}resnets.{}", up, block),
                   format_text("{}block.{}", up_compvis, block));
    }
    parts.push_back({down + "downsamplers.0.conv", down_compvis + "downsample.conv"});
    parts.push_back({up + "upsamplers.0.conv", up_compvis + "upsample.conv"});
  }
  return parts;
}

struct Split {
  std::string part, parameter;  // "encoder.conv_in" and ".weight"
};

Split split(const std::string& name) {
  const std::size_t dot = std::min(name.rfind('.'), name.size());
  return {name.substr(0, dot), name.substr(dot)};
}

bool is_projection(const std::string& part) {
  return part.find(".attentions.0.to_") != std::string::npos;
}

// Names of 2022 and 2023.
std::string with_new_projections(const std::string& part) {
  constexpr std::array<std::array<const char*, 2>, 4> kNames = {
      {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};
  for (const auto& [old_name, new_name] : kNames)
    if (part.ends_with(std::string(".attentions.0.") + old_name))
      return part.substr(0, part.size() - std::string(old_name).size()) + new_name;
  return part;
}

bool is_compvis(const TensorSet& tensors) {
  return tensors.find("encoder.down.0.block.0.conv1.weight") != nullptr;
}

}  // namespace

TensorSet autoencoder_from_scheme(const TensorSet& tensors, const AutoencoderConfig& config) {
  std::map<std::string, std::string> own;
  if (is_compvis(tensors))
    for (const PartNames& part : parts_of(config)) own.emplace(part.compvis, part.diffusers);
  TensorSet result = tensors;
  for (TensorView& view : result.tensors) {
    auto [part, parameter] = split(view.name);
    const auto found = own.find(part);
    part = found != own.end() ? found->second : with_new_projections(part);
    view.name = part + parameter;
    const bool is_convolution = view.shape.size() == 4 && view.shape[2] == 1 && view.shape[3] == 1;
    if (is_projection(part) && is_convolution) view.shape.resize(2);
  }
  return result;
}

TensorSet autoencoder_to_scheme(const TensorSet& own, AutoencoderScheme scheme,
                                const AutoencoderConfig& config) {
  if (scheme == AutoencoderScheme::kDiffusers) return own;
  std::map<std::string, std::string> names;
  for (const PartNames& part : parts_of(config)) names.emplace(part.diffusers, part.compvis);
  TensorSet result = own;
  for (TensorView& view : result.tensors) {
    const auto [part, parameter] = split(view.name);
    const auto found = names.find(part);
    if (found == names.end()) continue;
    view.name = found->second + parameter;
    if (is_projection(part) && view.shape.size() == 2) view.shape.insert(view.shape.end(), {1, 1});
  }
  return result;
}

AutoencoderConfig infer_autoencoder(const TensorSet& tensors) {
  const bool compvis = is_compvis(tensors);
  std::map<std::string, const TensorView*> by_name;
  for (const TensorView& view : tensors.tensors) by_name.emplace(view.name, &view);
  const auto has = [&](const std::string& name) { return by_name.contains(name); };
  const auto size_of = [&](const std::string& name, std::size_t axis) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second->shape.size() != 4)
      throw CheckpointError(
          format_text("{}: not an autoencoder of Stable Diffusion: there is no convolution '{}'",
                      tensors.path.string(), name));
    return found->second->shape[axis];
  };
  const std::string levels = compvis ? "encoder.down." : "encoder.down_blocks.",
                    blocks = compvis ? ".block." : ".resnets.";
  const auto first_of = [&](std::int64_t level, std::int64_t block) {
    return format_text("{}{}{}{}.conv1.weight", levels, level, blocks, block);
  };
  AutoencoderConfig config;
  config.widths.clear();
  for (std::int64_t level = 0; has(first_of(level, 0)); ++level)
    config.widths.push_back(size_of(first_of(level, 0), 0));
  config.blocks = 0;
  while (has(first_of(0, config.blocks))) ++config.blocks;
  config.image_channels = size_of("encoder.conv_in.weight", 1);
  config.latent_channels = size_of("decoder.conv_in.weight", 1);
  config.middle_attention = has(compvis ? "encoder.mid.attn_1.norm.weight"
                                        : "encoder.mid_block.attentions.0.group_norm.weight");
  config.quant_convolution = has("quant_conv.weight");
  config.post_quant_convolution = has("post_quant_conv.weight");
  check_autoencoder_config(config, tensors.path.string());
  return config;
}

}  // namespace ddpm
