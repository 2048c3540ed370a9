#include "ddpm/interop/names.h"

#include <initializer_list>
#include <utility>

namespace ddpm {
namespace {

UNetNames diffusers() {
  return {.conv_in = "conv_in",
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
  return {.conv_in = "image_proj",
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
  return {.conv_in = "conv_in",
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
  return {.conv_in = "head",
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
  return {.conv_in = "input_blocks.0.0",
          .norm_out = "out.0",
          .conv_out = "out.2",
          .time_embedding = "time_embed",
          .time_linear1 = "0",
          .time_linear2 = "2",
          .class_embedding = "label_emb",
          .vector_embedding = "label_emb.0",
          .plain_vector_embedding = "label_emb.0",
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

using Numbers = std::initializer_list<std::pair<const char*, std::int64_t>>;

std::string fill_in(std::string path, const Numbers& numbers) {
  for (const auto& [word, number] : numbers) {
    const std::string place = std::string("{") + word + "}";
    if (const std::size_t at = path.find(place); at != std::string::npos)
      path.replace(at, place.size(), std::to_string(number));
  }
  return path;
}

// Names the blocks in their order and counts those that have a number.
class BlockNamer {
 public:
  BlockNamer(const UNetPlan& plan, const UNetNames& names)
      : levels_(plan.levels), names_(names), next_down_(names.paths.first_down) {}

  BlockNames name(const BlockPlan& block) {
    switch (block.way) {
      case Way::kDown:
        return down(block);
      case Way::kMiddle:
        if (block.index == 0) return {names_.middle_res1, names_.middle_attention};
        return {names_.middle_res2, ""};
      case Way::kUp:
        return up(block);
    }
    return {};
  }

 private:
  BlockNames down(const BlockPlan& block) {
    const Numbers numbers = {
        {"level", block.level}, {"block", block.index}, {"number", next_down_++}};
    const BlockPaths& paths = names_.paths;
    if (block.resampling != Resampling::kNone) return {fill_in(paths.downsample, numbers), ""};
    return {fill_in(paths.down_res, numbers), fill_in(paths.down_attention, numbers)};
  }
  BlockNames up(const BlockPlan& block) {
    const BlockPaths& paths = names_.paths;
    const bool resamples = block.resampling != Resampling::kNone;
    const bool is_last_part = resamples && !paths.upsampling_has_number;
    const Numbers numbers = {{"level", block.level},
                             {"order", levels_ - 1 - block.level},
                             {"block", block.index},
                             {"number", is_last_part ? next_up_ - 1 : next_up_++},
                             {"last", after_attention_ ? 2 : 1}};
    after_attention_ = block.heads > 0;
    if (resamples) return {fill_in(paths.upsample, numbers), ""};
    return {fill_in(paths.up_res, numbers), fill_in(paths.up_attention, numbers)};
  }

  std::int64_t levels_;
  const UNetNames& names_;
  std::int64_t next_down_, next_up_ = 0;
  bool after_attention_ = false;  // whether the block before on the way up has attention
};

}  // namespace

UNetNames UNetNames::of(NamingScheme scheme) {
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

std::vector<std::string> transformer_parts(std::int64_t depth) {
  std::vector<std::string> parts = {"norm", "proj_in"};
  for (std::int64_t i = 0; i < depth; ++i)
    for (const char* part :
         {"attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2",
          "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0", "norm1", "norm2", "norm3"})
      parts.push_back("transformer_blocks." + std::to_string(i) + "." + part);
  parts.emplace_back("proj_out");
  return parts;
}

std::vector<BlockNames> block_names(const UNetPlan& plan, const UNetNames& names) {
  std::vector<BlockNames> list;
  BlockNamer namer(plan, names);
  for (const BlockPlan& block : plan.blocks) list.push_back(namer.name(block));
  return list;
}

}  // namespace ddpm
