#include "ddpm/nn/names.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {

UNetNames UNetNames::make(const std::string& scheme, std::int64_t levels, std::int64_t blocks) {
  UNetNames names;
  names.scheme = scheme;
  names.levels = levels;
  names.blocks = blocks;
  if (scheme == "diffusers") {
    names.conv_in = "conv_in";
    names.norm_out = "conv_norm_out";
    names.conv_out = "conv_out";
    names.time_embedding = "time_embedding";
    names.time_linear1 = "linear_1";
    names.time_linear2 = "linear_2";
    names.middle_res1 = "mid_block.resnets.0";
    names.middle_attention = "mid_block.attentions.0";
    names.middle_res2 = "mid_block.resnets.1";
    names.res = {"time_emb_proj", "conv_shortcut"};
    names.attention = {"group_norm", "to_q", "to_k", "to_v", "to_qkv", "to_out.0"};
  } else if (scheme == "labml") {
    names.conv_in = "image_proj";
    names.norm_out = "norm";
    names.conv_out = "final";
    names.time_embedding = "time_emb";
    names.time_linear1 = "lin1";
    names.time_linear2 = "lin2";
    names.middle_res1 = "middle.res1";
    names.middle_attention = "middle.attn";
    names.middle_res2 = "middle.res2";
    names.res = {"time_emb", "shortcut"};
    names.attention = {"norm", "query", "key", "value", "projection", "output"};
  } else {
    throw ConfigError("model.names: unknown scheme '" + scheme + "'; known: diffusers, labml");
  }
  return names;
}

// labml numbers the blocks and resampling steps of all levels in one list; diffusers nests them by
// level and kind.
std::string UNetNames::down_res(std::int64_t level, std::int64_t block) const {
  if (scheme == "labml") return format_text("down.{}.res", level * (blocks + 1) + block);
  return format_text("down_blocks.{}.resnets.{}", level, block);
}

std::string UNetNames::down_attention(std::int64_t level, std::int64_t block) const {
  if (scheme == "labml") return format_text("down.{}.attn", level * (blocks + 1) + block);
  return format_text("down_blocks.{}.attentions.{}", level, block);
}

std::string UNetNames::downsample(std::int64_t level) const {
  if (scheme == "labml") return format_text("down.{}", level * (blocks + 1) + blocks);
  return format_text("down_blocks.{}.downsamplers.0", level);
}

// On the way up both count from the lowest resolution.
std::string UNetNames::up_res(std::int64_t level, std::int64_t block) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}.res", order * (blocks + 2) + block);
  return format_text("up_blocks.{}.resnets.{}", order, block);
}

std::string UNetNames::up_attention(std::int64_t level, std::int64_t block) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}.attn", order * (blocks + 2) + block);
  return format_text("up_blocks.{}.attentions.{}", order, block);
}

std::string UNetNames::upsample(std::int64_t level) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}", order * (blocks + 2) + blocks + 1);
  return format_text("up_blocks.{}.upsamplers.0", order);
}

}  // namespace ddpm
