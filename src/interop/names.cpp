#include "ddpm/interop/names.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

void name_diffusers(UNetNames& names) {
  names.conv_in = "conv_in";
  names.norm_out = "conv_norm_out";
  names.conv_out = "conv_out";
  names.time_embedding = "time_embedding";
  names.time_linear1 = "linear_1";
  names.time_linear2 = "linear_2";
  names.middle_res1 = "mid_block.resnets.0";
  names.middle_attention = "mid_block.attentions.0";
  names.middle_res2 = "mid_block.resnets.1";
  names.res = {.time = "time_emb_proj", .shortcut = "conv_shortcut"};
  names.attention_parts = {"group_norm", "to_q", "to_k", "to_v", "to_qkv", "to_out.0"};
}

void name_labml(UNetNames& names) {
  names.conv_in = "image_proj";
  names.norm_out = "norm";
  names.conv_out = "final";
  names.time_embedding = "time_emb";
  names.time_linear1 = "lin1";
  names.time_linear2 = "lin2";
  names.middle_res1 = "middle.res1";
  names.middle_attention = "middle.attn";
  names.middle_res2 = "middle.res2";
  names.res = {.time = "time_emb", .shortcut = "shortcut"};
  names.attention_parts = {"norm", "query", "key", "value", "projection", "output"};
}

void name_ho(UNetNames& names) {
  names.conv_in = "conv_in";
  names.norm_out = "norm_out";
  names.conv_out = "conv_out";
  names.time_embedding = "temb";
  names.time_linear1 = "dense.0";
  names.time_linear2 = "dense.1";
  names.middle_res1 = "mid.block_1";
  names.middle_attention = "mid.attn_1";
  names.middle_res2 = "mid.block_2";
  names.res = {.time = "temb_proj", .shortcut = "nin_shortcut"};
  names.attention_parts = {"norm", "q", "k", "v", "qkv", "proj_out"};
}

void name_pytorch_ddpm(UNetNames& names) {
  names.conv_in = "head";
  names.norm_out = "tail.0";
  names.conv_out = "tail.2";
  names.time_embedding = "time_embedding.timembedding";
  names.time_linear1 = "1";
  names.time_linear2 = "3";
  names.middle_res1 = "middleblocks.0";
  names.middle_attention = "middleblocks.0.attn";
  names.middle_res2 = "middleblocks.1";
  names.downsample_conv = names.upsample_conv = "main";
  names.res = {.time = "temb_proj.1",
               .shortcut = "shortcut",
               .norm1 = "block1.0",
               .conv1 = "block1.2",
               .norm2 = "block2.0",
               .conv2 = "block2.3"};
  names.attention_parts = {"group_norm", "proj_q", "proj_k", "proj_v", "qkv", "proj"};
}

void name_openai(UNetNames& names) {
  names.conv_in = "input_blocks.0.0";
  names.norm_out = "out.0";
  names.conv_out = "out.2";
  names.time_embedding = "time_embed";
  names.time_linear1 = "0";
  names.time_linear2 = "2";
  names.class_embedding = "label_emb";
  names.middle_res1 = "middle_block.0";
  names.middle_attention = "middle_block.1";
  names.middle_res2 = "middle_block.2";
  names.downsample_conv = "op";
  names.res = {.time = "emb_layers.1",
               .shortcut = "skip_connection",
               .norm1 = "in_layers.0",
               .conv1 = "in_layers.2",
               .norm2 = "out_layers.0",
               .conv2 = "out_layers.3"};
  names.attention_parts = {"norm", "q", "k", "v", "qkv", "proj_out"};
}

}  // namespace

UNetNames UNetNames::make(const std::string& scheme, std::int64_t levels, std::int64_t blocks,
                          const std::vector<bool>& attention) {
  UNetNames names;
  names.scheme = scheme;
  names.levels = levels;
  names.blocks = blocks;
  names.attention = attention;
  if (scheme == "diffusers")
    name_diffusers(names);
  else if (scheme == "labml")
    name_labml(names);
  else if (scheme == "ho")
    name_ho(names);
  else if (scheme == "pytorch_ddpm")
    name_pytorch_ddpm(names);
  else if (scheme == "openai")
    name_openai(names);
  else
    throw ConfigError("model.names: unknown scheme '" + scheme +
                      "'; known: diffusers, labml, ho, pytorch_ddpm, openai");
  return names;
}

// diffusers and Ho nest blocks and resampling by level and kind. labml and pytorch_ddpm number
// those of all levels in one list; so does openai, after its first convolution.
std::string UNetNames::down_res(std::int64_t level, std::int64_t block) const {
  const std::int64_t position = level * (blocks + 1) + block;
  if (scheme == "labml") return format_text("down.{}.res", position);
  if (scheme == "ho") return format_text("down.{}.block.{}", level, block);
  if (scheme == "pytorch_ddpm") return format_text("downblocks.{}", position);
  if (scheme == "openai") return format_text("input_blocks.{}.0", position + 1);
  return format_text("down_blocks.{}.resnets.{}", level, block);
}

std::string UNetNames::down_attention(std::int64_t level, std::int64_t block) const {
  const std::int64_t position = level * (blocks + 1) + block;
  if (scheme == "labml") return format_text("down.{}.attn", position);
  if (scheme == "ho") return format_text("down.{}.attn.{}", level, block);
  if (scheme == "pytorch_ddpm") return format_text("downblocks.{}.attn", position);
  if (scheme == "openai") return format_text("input_blocks.{}.1", position + 1);
  return format_text("down_blocks.{}.attentions.{}", level, block);
}

std::string UNetNames::downsample(std::int64_t level) const {
  const std::int64_t position = level * (blocks + 1) + blocks;
  if (scheme == "labml") return format_text("down.{}", position);
  if (scheme == "ho") return format_text("down.{}.downsample", level);
  if (scheme == "pytorch_ddpm") return format_text("downblocks.{}", position);
  if (scheme == "openai") return format_text("input_blocks.{}.0", position + 1);
  return format_text("down_blocks.{}.downsamplers.0", level);
}

// On the way up Ho counts levels as on the way down, the others from the lowest resolution. openai
// keeps the upsampling of a level with its last block.
std::string UNetNames::up_res(std::int64_t level, std::int64_t block) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}.res", order * (blocks + 2) + block);
  if (scheme == "ho") return format_text("up.{}.block.{}", level, block);
  if (scheme == "pytorch_ddpm") return format_text("upblocks.{}", order * (blocks + 2) + block);
  if (scheme == "openai") return format_text("output_blocks.{}.0", order * (blocks + 1) + block);
  return format_text("up_blocks.{}.resnets.{}", order, block);
}

std::string UNetNames::up_attention(std::int64_t level, std::int64_t block) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}.attn", order * (blocks + 2) + block);
  if (scheme == "ho") return format_text("up.{}.attn.{}", level, block);
  if (scheme == "pytorch_ddpm")
    return format_text("upblocks.{}.attn", order * (blocks + 2) + block);
  if (scheme == "openai") return format_text("output_blocks.{}.1", order * (blocks + 1) + block);
  return format_text("up_blocks.{}.attentions.{}", order, block);
}

std::string UNetNames::upsample(std::int64_t level) const {
  const std::int64_t order = levels - 1 - level;
  if (scheme == "labml") return format_text("up.{}", order * (blocks + 2) + blocks + 1);
  if (scheme == "ho") return format_text("up.{}.upsample", level);
  if (scheme == "pytorch_ddpm")
    return format_text("upblocks.{}", order * (blocks + 2) + blocks + 1);
  if (scheme == "openai")
    return format_text("output_blocks.{}.{}", order * (blocks + 1) + blocks,
                       attention.at(static_cast<std::size_t>(level)) ? 2 : 1);
  return format_text("up_blocks.{}.upsamplers.0", order);
}

}  // namespace ddpm
