#include "ddpm/interop/names.h"

#include <initializer_list>
#include <utility>

namespace ddpm {
namespace {

UNetNames diffusers() {
  return {.scheme = NamingScheme::kDiffusers,
          .conv_in = "conv_in",
          .norm_out = "conv_norm_out",
          .conv_out = "conv_out",
          .time_embedding = "time_embedding",
          .time_linear1 = "linear_1",
          .time_linear2 = "linear_2",
          .middle_res1 = "mid_block.resnets.0",
          .middle_attention = "mid_block.attentions.0",
          .middle_res2 = "mid_block.resnets.1",
          .res = {.time = "time_emb_proj", .shortcut = "conv_shortcut"},
          .attention_parts = {"group_norm", "to_q", "to_k", "to_v", "to_qkv", "to_out.0"},
          .paths = {.down_res = "down_blocks.{level}.resnets.{block}",
                    .down_attention = "down_blocks.{level}.attentions.{block}",
                    .downsample = "down_blocks.{level}.downsamplers.0",
                    .up_res = "up_blocks.{order}.resnets.{block}",
                    .up_attention = "up_blocks.{order}.attentions.{block}",
                    .upsample = "up_blocks.{order}.upsamplers.0"}};
}

UNetNames labml() {
  return {.scheme = NamingScheme::kLabml,
          .conv_in = "image_proj",
          .norm_out = "norm",
          .conv_out = "final",
          .time_embedding = "time_emb",
          .time_linear1 = "lin1",
          .time_linear2 = "lin2",
          .middle_res1 = "middle.res1",
          .middle_attention = "middle.attn",
          .middle_res2 = "middle.res2",
          .res = {.time = "time_emb", .shortcut = "shortcut"},
          .attention_parts = {"norm", "query", "key", "value", "projection", "output"},
          .paths = {.down_res = "down.{number}.res",
                    .down_attention = "down.{number}.attn",
                    .downsample = "down.{number}",
                    .up_res = "up.{number}.res",
                    .up_attention = "up.{number}.attn",
                    .upsample = "up.{number}"}};
}

UNetNames ho() {
  return {.scheme = NamingScheme::kHo,
          .conv_in = "conv_in",
          .norm_out = "norm_out",
          .conv_out = "conv_out",
          .time_embedding = "temb",
          .time_linear1 = "dense.0",
          .time_linear2 = "dense.1",
          .middle_res1 = "mid.block_1",
          .middle_attention = "mid.attn_1",
          .middle_res2 = "mid.block_2",
          .res = {.time = "temb_proj", .shortcut = "nin_shortcut"},
          .attention_parts = {"norm", "q", "k", "v", "qkv", "proj_out"},
          .paths = {.down_res = "down.{level}.block.{block}",
                    .down_attention = "down.{level}.attn.{block}",
                    .downsample = "down.{level}.downsample",
                    .up_res = "up.{level}.block.{block}",
                    .up_attention = "up.{level}.attn.{block}",
                    .upsample = "up.{level}.upsample"}};
}

UNetNames pytorch_ddpm() {
  return {.scheme = NamingScheme::kPytorchDdpm,
          .conv_in = "head",
          .norm_out = "tail.0",
          .conv_out = "tail.2",
          .time_embedding = "time_embedding.timembedding",
          .time_linear1 = "1",
          .time_linear2 = "3",
          .middle_res1 = "middleblocks.0",
          .middle_attention = "middleblocks.0.attn",
          .middle_res2 = "middleblocks.1",
          .downsample_conv = "main",
          .upsample_conv = "main",
          .res = {.time = "temb_proj.1",
                  .shortcut = "shortcut",
                  .norm1 = "block1.0",
                  .conv1 = "block1.2",
                  .norm2 = "block2.0",
                  .conv2 = "block2.3"},
          .attention_parts = {"group_norm", "proj_q", "proj_k", "proj_v", "qkv", "proj"},
          .paths = {.down_res = "downblocks.{number}",
                    .down_attention = "downblocks.{number}.attn",
                    .downsample = "downblocks.{number}",
                    .up_res = "upblocks.{number}",
                    .up_attention = "upblocks.{number}.attn",
                    .upsample = "upblocks.{number}"}};
}

UNetNames openai() {
  return {.scheme = NamingScheme::kOpenai,
          .conv_in = "input_blocks.0.0",
          .norm_out = "out.0",
          .conv_out = "out.2",
          .time_embedding = "time_embed",
          .time_linear1 = "0",
          .time_linear2 = "2",
          .class_embedding = "label_emb",
          .middle_res1 = "middle_block.0",
          .middle_attention = "middle_block.1",
          .middle_res2 = "middle_block.2",
          .downsample_conv = "op",
          .res = {.time = "emb_layers.1",
                  .shortcut = "skip_connection",
                  .norm1 = "in_layers.0",
                  .conv1 = "in_layers.2",
                  .norm2 = "out_layers.0",
                  .conv2 = "out_layers.3"},
          .attention_parts = {"norm", "q", "k", "v", "qkv", "proj_out"},
          .paths = {.down_res = "input_blocks.{number}.0",
                    .down_attention = "input_blocks.{number}.1",
                    .downsample = "input_blocks.{number}.0",
                    .up_res = "output_blocks.{number}.0",
                    .up_attention = "output_blocks.{number}.1",
                    .upsample = "output_blocks.{number}.{last}",
                    .first_down = 1,
                    .upsampling_has_number = false}};
}

UNetNames parts_of(NamingScheme scheme) {
  switch (scheme) {
    case NamingScheme::kDiffusers:
      return diffusers();
    case NamingScheme::kLabml:
      return labml();
    case NamingScheme::kHo:
      return ho();
    case NamingScheme::kPytorchDdpm:
      return pytorch_ddpm();
    case NamingScheme::kOpenai:
      return openai();
  }
  return {};
}

using Numbers = std::initializer_list<std::pair<const char*, std::int64_t>>;

std::string fill_in(std::string path, const Numbers& numbers) {
  for (const auto& [word, number] : numbers) {
    const std::string place = std::string("{") + word + "}";
    if (const std::size_t at = path.find(place); at != std::string::npos)
      path.replace(at, place.size(), std::to_string(number));
  }
  return path;
}

}  // namespace

UNetNames UNetNames::make(NamingScheme scheme, std::int64_t levels, std::int64_t blocks,
                          const std::vector<bool>& attention) {
  UNetNames names = parts_of(scheme);
  names.levels = levels;
  names.blocks = blocks;
  names.attention = attention;
  return names;
}

std::string UNetNames::on_the_way_down(const std::string& path, std::int64_t level,
                                       std::int64_t block) const {
  const std::int64_t number = paths.first_down + level * (blocks + 1) + block;
  return fill_in(path, {{"level", level}, {"block", block}, {"number", number}});
}

std::string UNetNames::on_the_way_up(const std::string& path, std::int64_t level,
                                     std::int64_t block) const {
  const std::int64_t order = levels - 1 - level;
  const std::int64_t numbers = blocks + (paths.upsampling_has_number ? 2 : 1);
  return fill_in(
      path,
      {{"level", level}, {"order", order}, {"block", block}, {"number", order * numbers + block}});
}

std::string UNetNames::down_res(std::int64_t level, std::int64_t block) const {
  return on_the_way_down(paths.down_res, level, block);
}
std::string UNetNames::down_attention(std::int64_t level, std::int64_t block) const {
  return on_the_way_down(paths.down_attention, level, block);
}
std::string UNetNames::downsample(std::int64_t level) const {
  return on_the_way_down(paths.downsample, level, blocks);
}
std::string UNetNames::up_res(std::int64_t level, std::int64_t block) const {
  return on_the_way_up(paths.up_res, level, block);
}
std::string UNetNames::up_attention(std::int64_t level, std::int64_t block) const {
  return on_the_way_up(paths.up_attention, level, block);
}
std::string UNetNames::upsample(std::int64_t level) const {
  const std::string path =
      on_the_way_up(paths.upsample, level, paths.upsampling_has_number ? blocks + 1 : blocks);
  const auto index = static_cast<std::size_t>(level);
  return fill_in(path, {{"last", index < attention.size() && attention[index] ? 2 : 1}});
}

}  // namespace ddpm
