#include <algorithm>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/formats/json_keys.h"
#include "unet_2d.h"
#include "unet_keys.h"
#include "words.h"

namespace ddpm {
namespace {

// --- unet/config.json -> config ---------------------------------------------------------------------

// The meaning of a level's block type.
struct BlockType {
  bool attention = false;
  bool residual = false;  // resamples by a residual block, not by a convolution
};

// Parses a type such as "AttnDownBlock2D". `residual` is downsample_type or upsample_type, which only
// blocks with attention use.
BlockType parse_block(std::string type, Direction direction, bool residual, JsonKeys& keys) {
  if (type.starts_with("UNetRes")) type = type.substr(7);  // in old files
  const std::string way(name_of(direction)), sample = way + "sample";
  if (type == way + "Block2D") return {.attention = false, .residual = false};
  if (type == "Attn" + way + "Block2D") return {.attention = true, .residual = residual};
  if (type == "Resnet" + sample + "Block2D") return {.attention = false, .residual = true};
  keys.fail(block_types_key(direction), "'" + shorten(type) + "' is not supported; only " + way +
                                            "Block2D, Attn" + way + "Block2D and Resnet" + sample +
                                            "Block2D are");
}

// The meaning of the block types of all levels, full resolution first; level `last` does not
// resample.
struct LevelTypes {
  std::vector<bool> attention;
  std::vector<bool> residual;  // of each level except `last`
};
LevelTypes read_blocks(const std::vector<std::string>& types, Direction direction, bool typed,
                       std::size_t last, JsonKeys& keys) {
  LevelTypes levels;
  for (std::size_t level = 0; level < types.size(); ++level) {
    const BlockType block = parse_block(types[level], direction, typed, keys);
    levels.attention.push_back(block.attention);
    if (level != last) levels.residual.push_back(block.residual);
  }
  return levels;
}

// A single value if all levels have the same, else a list.
template <class T>
PerLevel<T> per_level(const std::vector<bool>& residual, T otherwise, T if_residual) {
  std::vector<T> values;
  for (const bool level : residual) values.push_back(level ? if_residual : otherwise);
  const bool alike = std::ranges::all_of(values, [&](T value) { return value == values.front(); });
  if (values.empty()) return otherwise;
  return alike ? PerLevel<T>(values.front()) : PerLevel<T>(values);
}

void read_levels(JsonKeys& keys, ModelConfig& model) {
  const std::vector<std::int64_t> widths = read_widths(keys, {224, 448, 672, 896}, model);
  std::vector<std::string> down = keys.texts(
      "down_block_types", {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"});
  std::vector<std::string> up = keys.texts(
      "up_block_types", {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"});
  if (down.size() != widths.size()) keys.fail("down_block_types", "must have one entry per level");
  if (up.size() != widths.size()) keys.fail("up_block_types", "must have one entry per level");
  up = {up.rbegin(), up.rend()};
  const LevelTypes ways_down =
      read_blocks(down, Direction::kDown, keys.word("downsample_type", "conv", kResampling),
                  widths.size() - 1, keys);
  const LevelTypes ways_up =
      read_blocks(up, Direction::kUp, keys.word("upsample_type", "conv", kResampling), 0, keys);
  model.attention = ways_down.attention;
  model.attention_up.clear();
  if (ways_up.attention != ways_down.attention) model.attention_up = ways_up.attention;
  model.downsample = per_level(ways_down.residual, Downsampling::kConv, Downsampling::kResnet);
  model.upsample = per_level(ways_up.residual, Upsampling::kNearest, Upsampling::kResnet);
}

void read_time(JsonKeys& keys, ModelConfig& model) {
  model.time_embedding = keys.word("time_embedding_type", "positional", kTimeEmbeddings);
  const std::optional<std::int64_t> rows =
      keys.integer_or_null("num_train_timesteps", std::nullopt);
  if (model.time_embedding == TimeEmbeddingKind::kLearned) {
    if (!rows || *rows < 1 || *rows > 1'000'000)
      keys.fail("num_train_timesteps", "must be in [1, 1000000] for a learned time embedding");
    model.time_table = *rows;
  }
  model.time_width = keys.integer_or_null("time_embedding_dim", std::nullopt).value_or(0);
  if (model.time_width < 0) keys.fail("time_embedding_dim", "must not be negative");
  model.time_order =
      keys.boolean("flip_sin_to_cos", true) ? TimeOrder::kCosSin : TimeOrder::kSinCos;
  const std::int64_t shift = keys.integer("freq_shift", 0);
  if (shift != 0 && shift != 1) keys.fail("freq_shift", "not supported; only 0 and 1 are");
  model.time_frequencies = shift == 1 ? TimeFrequencies::kHalfMinusOne : TimeFrequencies::kHalf;
  model.time_scale_shift = keys.word("resnet_time_scale_shift", "default", kTimeScaleShift);
}

void read_attention(JsonKeys& keys, ModelConfig& model) {
  const std::optional<std::int64_t> head = keys.integer_or_null("attention_head_dim", 8);
  if (head && *head < 1) keys.fail("attention_head_dim", "must be positive, or null for one head");
  model.attention_head_width = head.value_or(0);
  model.attention_heads = 0;
  const bool has_middle = keys.boolean("add_attention", true);
  model.middle_attention = has_middle ? MiddleAttention::kWithNorm : MiddleAttention::kNone;
  for (const BlockPlan& block : unet_plan(model, /*channels=*/1).blocks)
    if (head && block.heads > 0 && block.out % *head != 0)
      keys.fail("attention_head_dim",
                format_text("must divide the {} channels of an attention", block.out));
  const std::optional<std::int64_t> groups =
      keys.integer_or_null("attn_norm_num_groups", std::nullopt);
  if (groups && (*groups < 1 || *groups > 1024))
    keys.fail("attn_norm_num_groups", "must be in [1, 1024]");
  model.middle_groups = groups && *groups != model.groups ? *groups : 0;
  const bool normed = groups || !model.time_scale_shift;
  model.middle_attention = !has_middle ? MiddleAttention::kNone
                           : normed    ? MiddleAttention::kWithNorm
                                       : MiddleAttention::kWithoutNorm;
}

void read_classes(JsonKeys& keys, ModelConfig& model) {
  const nlohmann::json* type = keys.find("class_embed_type");
  const std::optional<std::int64_t> count = keys.integer_or_null("num_class_embeds", std::nullopt);
  const bool is_table = type == nullptr || type->is_null();
  if (count && (*count < 1 || *count > 1'000'000))
    keys.fail("num_class_embeds", "must be in [1, 1000000], or null");
  model.classes = count.value_or(0);
  model.class_embedding = count ? ClassEmbeddingKind::kTable : ClassEmbeddingKind::kNone;
  if (is_table) return;
  const auto kind = type->is_string()
                        ? value_of(kClassEmbeddings, type->get_ref<const std::string&>())
                        : std::nullopt;
  if (!kind) keys.fail("class_embed_type", "not supported; only null, timestep and identity are");
  model.class_embedding = *kind;
}

void read_middle(JsonKeys& keys, ModelConfig& model) {
  const nlohmann::json* type = keys.find("mid_block_type");
  model.middle = type == nullptr || !type->is_null();
  if (model.middle) keys.require("mid_block_type", "UNetMidBlock2D");
  model.middle_scale = keys.number("mid_block_scale_factor", 1);
  if (!(model.middle_scale > 0 && model.middle_scale <= 1e6))
    keys.fail("mid_block_scale_factor", "must be in (0, 1e6]");
}

void read_rest(JsonKeys& keys, ModelConfig& model) {
  const std::int64_t blocks = keys.integer("layers_per_block", 2);
  if (blocks < 1 || blocks > 16) keys.fail("layers_per_block", "must be in [1, 16]");
  model.blocks_per_level = blocks;
  read_common(keys, model);
  model.activation = keys.word("act_fn", "silu", kActivations);
}

void read_image(JsonKeys& keys, Config& config) {
  DataConfig& data = config.data;
  data.channels = keys.integer("in_channels", 3);
  if (data.channels != 1 && data.channels != 3 && data.channels != 4)
    keys.fail("in_channels", "not supported; only 1, 3 and 4 are");
  const std::int64_t out = keys.integer("out_channels", 3);
  if (out < 1 || out > 1024) keys.fail("out_channels", "must be in [1, 1024]");
  config.model.predicts_variance = out == 2 * data.channels;
  config.model.out_channels = out == data.channels || out == 2 * data.channels ? 0 : out;
  read_sample_size(keys, data);
}

// --- config -> unet/config.json --------------------------------------------------------------------

// The channels of a head, which must be the same in every attention; null means one head.
nlohmann::ordered_json head_width(const ModelConfig& model, UnrepresentableKeys& problems) {
  if (model.attention_heads == PerLevel<std::int64_t>(0))
    return model.attention_head_width == 0 ? nlohmann::ordered_json(nullptr)
                                           : nlohmann::ordered_json(model.attention_head_width);
  std::vector<std::int64_t> heads;
  for (const BlockPlan& block : unet_plan(model, /*channels=*/1).blocks)
    if (block.heads > 0) heads.push_back(block.out / block.heads);
  if (heads.empty()) return nullptr;
  if (std::ranges::any_of(heads, [&](std::int64_t width) { return width != heads.front(); }))
    problems.add("model.attention_heads", "heads must have the same width at every level");
  return heads.front();
}

void check(const Config& config, UnrepresentableKeys& problems) {
  const ModelConfig& model = config.model;
  if (model.attention_kind != AttentionKind::kQkv)
    problems.add("model.attention_kind", "its attention has a norm and three projections");
  if (model.time_scale != 1) problems.add("model.time_scale", "it does not scale timesteps");
  if (model.width_change != WidthChange::kFirstBlock)
    problems.add("model.width_change", "its widths drop in the first block of a level");
  if (std::ranges::count(model.upsample.values(), Upsampling::kTransposed) > 0)
    problems.add("model.upsample", "it doubles images by repeating pixels");
  if (model.vector_width > 0) problems.add("model.vector_width", "it takes no vector");
  if (model.in_channels > 0 && model.in_channels != config.data.channels)
    problems.add("model.in_channels", "its input is an image");
  if (model.blocks_per_level.is_list())
    problems.add("model.blocks_per_level", "must be the same at every level");
  if (model.final_groups != model.groups)
    problems.add("model.final_groups", "must equal model.groups");
  const std::vector<std::int64_t> widths = level_widths(model);
  if (model.base_width != widths.front())
    problems.add("model.base_width", "must equal the width of the first level");
  if (model.middle_attention == MiddleAttention::kWithoutNorm && !model.time_scale_shift)
    problems.add("model.middle_attention", "needs model.time_scale_shift");
}

std::string block_type(bool attention, bool residual, bool down) {
  if (attention) return down ? "AttnDownBlock2D" : "AttnUpBlock2D";
  if (residual) return down ? "ResnetDownsampleBlock2D" : "ResnetUpsampleBlock2D";
  return down ? "DownBlock2D" : "UpBlock2D";
}

// The blocks of one way of a network, in the order and words of UNet2DModel.
struct WayTypes {
  std::vector<std::string> blocks;
  bool residual = false;  // downsample_type or upsample_type, used by levels with attention
};

WayTypes way_types(const ModelConfig& model, bool down, UnrepresentableKeys& problems) {
  const auto levels = static_cast<std::int64_t>(model.attention.size());
  const std::vector<bool>& attention =
      down || model.attention_up.empty() ? model.attention : model.attention_up;
  // The last level of a way does not resample; it is written like its neighbour.
  const auto residual = [&](std::int64_t level) {
    const std::int64_t step =
        down ? std::min(level, levels - 2) : std::max<std::int64_t>(level - 1, 0);
    return down ? model.downsample.at(step) == Downsampling::kResnet
                : model.upsample.at(step) == Upsampling::kResnet;
  };
  WayTypes way{.blocks = {}, .residual = residual(down ? 0 : levels - 1)};
  std::optional<bool> with_attention;
  for (std::int64_t level = 0; level < levels; ++level) {
    const bool attends = attention[static_cast<std::size_t>(level)];
    way.blocks.push_back(block_type(attends, residual(level), down));
    const bool resamples = level != (down ? levels - 1 : 0);
    if (!attends || !resamples) continue;
    if (with_attention && *with_attention != residual(level))
      problems.add(down ? "model.downsample" : "model.upsample",
                   "levels with attention must all resample in the same way");
    with_attention = way.residual = residual(level);
  }
  if (!down) std::ranges::reverse(way.blocks);
  return way;
}

nlohmann::ordered_json class_embed_type(const ModelConfig& model) {
  const std::string_view word = word_for(kClassEmbeddings, model.class_embedding);
  return word.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(word);
}

}  // namespace

void apply_unet_2d(JsonKeys& keys, Config& config) {
  read_levels(keys, config.model);
  read_time(keys, config.model);
  read_middle(keys, config.model);
  read_classes(keys, config.model);
  read_rest(keys, config.model);
  read_attention(keys, config.model);
  read_image(keys, config);
  config.data.range = PixelRange::kSymmetric;
}

nlohmann::ordered_json unet_2d_config(const Config& config) {
  const ModelConfig& model = config.model;
  UnrepresentableKeys problems(config, "UNet2DModel");
  check(config, problems);
  const nlohmann::ordered_json heads = head_width(model, problems);
  const WayTypes down = way_types(model, true, problems), up = way_types(model, false, problems);
  problems.throw_if_any();
  const bool extra_norm = model.middle_attention == MiddleAttention::kWithNorm &&
                          (model.time_scale_shift || model.middle_groups > 0);
  nlohmann::ordered_json unet = {
      {"_class_name", "UNet2DModel"},
      {"_diffusers_version", "0.42.1"},
      {"act_fn", word_for(kActivations, model.activation)},
      {"add_attention", model.middle_attention != MiddleAttention::kNone},
      {"attention_head_dim", heads},
      {"attn_norm_num_groups", nullptr},
      {"block_out_channels", level_widths(model)},
      {"center_input_sample", model.center_input},
      {"class_embed_type", class_embed_type(model)},
      {"down_block_types", down.blocks},
      {"downsample_padding", model.downsample_padding == DownsamplePadding::kSymmetric ? 1 : 0},
      {"downsample_type", word_for(kResampling, down.residual)},
      {"dropout", model.dropout},
      {"flip_sin_to_cos", model.time_order == TimeOrder::kCosSin},
      {"freq_shift", model.time_frequencies == TimeFrequencies::kHalf ? 0 : 1},
      {"in_channels", config.data.channels},
      {"layers_per_block", model.blocks_per_level.at(0)},
      {"mid_block_scale_factor", model.middle_scale},
      {"mid_block_type", "UNetMidBlock2D"},
      {"norm_eps", model.norm_epsilon},
      {"norm_num_groups", model.groups},
      {"num_class_embeds", null_if_zero(class_rows(model))},
      {"num_train_timesteps", null_if_zero(model.time_table)},
      {"out_channels", unet_plan(model, config.data.channels).out},
      {"resnet_time_scale_shift", word_for(kTimeScaleShift, model.time_scale_shift)},
      {"sample_size", sample_size(config.data)},
      {"time_embedding_dim", null_if_zero(model.time_width)},
      {"time_embedding_type", word_for(kTimeEmbeddings, model.time_embedding)},
      {"up_block_types", up.blocks},
      {"upsample_type", word_for(kResampling, up.residual)}};
  if (extra_norm)
    unet["attn_norm_num_groups"] = model.middle_groups > 0 ? model.middle_groups : model.groups;
  if (!model.middle) unet["mid_block_type"] = nullptr;
  return unet;
}

}  // namespace ddpm
