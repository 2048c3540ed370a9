#include "unet_2d_condition.h"

#include <algorithm>
#include <optional>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"
#include "unet_keys.h"
#include "words.h"

namespace ddpm {
namespace {

constexpr const char* kClass = "UNet2DConditionModel";

// --- unet/config.json -> config ---------------------------------------------------------------------

// A number for all levels, or a list with one for each, each in [least, most].
PerLevel<std::int64_t> integer_per_level(JsonKeys& keys, const std::string& key,
                                         std::int64_t otherwise, std::int64_t least,
                                         std::int64_t most, std::size_t levels) {
  const nlohmann::json* value = keys.find(key);
  const bool is_list = value != nullptr && value->is_array();
  const std::vector<std::int64_t> list =
      is_list ? keys.integers(key, {}) : std::vector{keys.integer(key, otherwise)};
  if (is_list && list.size() != levels) keys.fail(key, "must have one entry per level");
  for (const std::int64_t entry : list)
    if (entry < least || entry > most)
      keys.fail(key, format_text("must be in [{}, {}]", least, most));
  const bool alike = std::ranges::all_of(list, [&](auto entry) { return entry == list.front(); });
  return alike ? PerLevel<std::int64_t>(list.front()) : PerLevel<std::int64_t>(list);
}

// Which levels have transformers, in the order of the file.
std::vector<bool> transformers_of(const std::vector<std::string>& types, Direction direction,
                                  JsonKeys& keys) {
  const std::string way(name_of(direction));
  std::vector<bool> levels;
  for (const std::string& type : types) {
    const bool transformer = type == "CrossAttn" + way + "Block2D";
    if (!transformer && type != way + "Block2D")
      keys.fail(block_types_key(direction), "'" + shorten(type) + "' is not supported; only " +
                                                way + "Block2D and CrossAttn" + way +
                                                "Block2D are");
    levels.push_back(transformer);
  }
  return levels;
}

void read_levels(JsonKeys& keys, ModelConfig& model) {
  const std::size_t levels = read_widths(keys, {320, 640, 1280, 1280}, model).size();
  std::vector<std::string> down = keys.texts(
      "down_block_types",
      {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"});
  std::vector<std::string> up =
      keys.texts("up_block_types",
                 {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"});
  if (down.size() != levels) keys.fail("down_block_types", "must have one entry per level");
  if (up.size() != levels) keys.fail("up_block_types", "must have one entry per level");
  std::ranges::reverse(up);
  model.attention = transformers_of(down, Direction::kDown, keys);
  model.attention_up = transformers_of(up, Direction::kUp, keys);
  if (model.attention_up == model.attention) model.attention_up.clear();
  model.blocks_per_level = integer_per_level(keys, "layers_per_block", 2, 1, 16, levels);
  model.transformer_depth =
      integer_per_level(keys, "transformer_layers_per_block", 1, 1, 64, levels);
  keys.require("reverse_transformer_layers_per_block", nullptr);
  // By a mistake of the class, this key is the number of heads, not their width.
  keys.require("num_attention_heads", nullptr);
  model.attention_heads = integer_per_level(keys, "attention_head_dim", 8, 1, 1024, levels);
  model.attention_head_width = 0;

  const nlohmann::json* cross_only = keys.find("only_cross_attention");
  model.cross_only.clear();
  if (cross_only != nullptr && cross_only->is_array()) {
    for (const nlohmann::json& level : *cross_only)
      if (level.is_boolean()) model.cross_only.push_back(level.get<bool>());
    if (model.cross_only.size() != levels || cross_only->size() != levels)
      keys.fail("only_cross_attention", "must be true, false, or a list of them for each level");
  } else if (keys.boolean("only_cross_attention", false)) {
    model.cross_only.assign(levels, true);
  }
  if (std::ranges::count(model.cross_only, true) == 0) model.cross_only.clear();
}

void read_context(JsonKeys& keys, ModelConfig& model) {
  const nlohmann::json* value = keys.find("cross_attention_dim");
  std::vector<std::int64_t> widths = value != nullptr && value->is_array()
                                         ? keys.integers("cross_attention_dim", {})
                                         : std::vector{keys.integer("cross_attention_dim", 1280)};
  for (const std::int64_t width : widths)
    if (width < 1 || width > 65536 || width != widths.front())
      keys.fail("cross_attention_dim", "must be a number in [1, 65536], the same for every level");
  if (widths.empty()) keys.fail("cross_attention_dim", "must not be empty");
  model.context_width = widths.front();
  model.linear_projections = keys.boolean("use_linear_projection", false);
  static_cast<void>(keys.boolean("upcast_attention", false));  // changes no result in float32
}

void read_middle(JsonKeys& keys, ModelConfig& model) {
  const nlohmann::json* type = keys.find("mid_block_type");
  model.middle = type == nullptr || !type->is_null();
  if (model.middle) keys.require("mid_block_type", "UNetMidBlock2DCrossAttn");
  model.middle_attention = MiddleAttention::kWithNorm;
  model.middle_depth = 0;
  model.middle_scale = keys.number("mid_block_scale_factor", 1);
  if (!(model.middle_scale > 0 && model.middle_scale <= 1e6))
    keys.fail("mid_block_scale_factor", "must be in (0, 1e6]");
  static_cast<void>(keys.find("mid_block_only_cross_attention"));  // not used by this middle
}

void read_time(JsonKeys& keys, ModelConfig& model) {
  keys.require("time_embedding_type", "positional");
  model.time_width = keys.integer_or_null("time_embedding_dim", std::nullopt).value_or(0);
  if (model.time_width < 0) keys.fail("time_embedding_dim", "must not be negative");
  model.time_order =
      keys.boolean("flip_sin_to_cos", true) ? TimeOrder::kCosSin : TimeOrder::kSinCos;
  const std::int64_t shift = keys.integer("freq_shift", 0);
  if (shift != 0 && shift != 1) keys.fail("freq_shift", "not supported; only 0 and 1 are");
  model.time_frequencies = shift == 1 ? TimeFrequencies::kHalfMinusOne : TimeFrequencies::kHalf;
  model.time_scale_shift = keys.word("resnet_time_scale_shift", "default", kTimeScaleShift);
}

std::int64_t read_vector_width(JsonKeys& keys) {
  const std::int64_t width =
      keys.integer_or_null("projection_class_embeddings_input_dim", std::nullopt).value_or(0);
  if (width < 1 || width > 65536)
    keys.fail("projection_class_embeddings_input_dim", "must be in [1, 65536]");
  return width;
}

// The class, or a vector in its place, and a vector with sizes.
void read_embeddings(JsonKeys& keys, ModelConfig& model) {
  const nlohmann::json* type = keys.find("class_embed_type");
  const std::optional<std::int64_t> count = keys.integer_or_null("num_class_embeds", std::nullopt);
  if (count && (*count < 1 || *count > 1'000'000))
    keys.fail("num_class_embeds", "must be in [1, 1000000], or null");
  model.classes = count.value_or(0);
  model.class_embedding = count ? ClassEmbeddingKind::kTable : ClassEmbeddingKind::kNone;
  const nlohmann::json* addition = keys.find("addition_embed_type");
  static_cast<void>(keys.find("projection_class_embeddings_input_dim"));  // read where it is used
  const bool has_sizes = addition != nullptr && !addition->is_null();
  if (type != nullptr && *type == "projection") {
    if (has_sizes)
      keys.fail("class_embed_type", "\"projection\" beside addition_embed_type is not supported");
    model.classes = 0;
    model.class_embedding = ClassEmbeddingKind::kNone;
    model.vector_width = read_vector_width(keys);
  } else if (type != nullptr && !type->is_null()) {
    const auto kind = type->is_string()
                          ? value_of(kClassEmbeddings, type->get_ref<const std::string&>())
                          : std::nullopt;
    if (!kind)
      keys.fail("class_embed_type",
                "not supported; only null, timestep, identity and projection are");
    model.class_embedding = *kind;
  }
  const std::optional<std::int64_t> features =
      keys.integer_or_null("addition_time_embed_dim", std::nullopt);
  if (!has_sizes) return;
  keys.require("addition_embed_type", "text_time");
  if (!features || *features < 2 || *features > 8192 || *features % 2 != 0)
    keys.fail("addition_time_embed_dim", "must be an even number in [2, 8192]");
  model.vector_time_width = *features;
  model.vector_width = read_vector_width(keys);
}

void read_rest(JsonKeys& keys, ModelConfig& model) {
  read_common(keys, model);
  // The class uses it in the time embedding and before the output too.
  if (keys.word("act_fn", "silu", kActivations) != Activation::kSilu)
    keys.fail("act_fn", "not supported; only silu is");
  model.activation = Activation::kSilu;
  model.downsample = Downsampling::kConv;
  model.upsample = Upsampling::kNearest;
}

// Keys that would add layers or change them. null and the class's default mean that they do not.
void refuse_extensions(JsonKeys& keys) {
  for (const char* key : {"encoder_hid_dim", "encoder_hid_dim_type", "time_embedding_act_fn",
                          "timestep_post_act", "time_cond_proj_dim", "cross_attention_norm"})
    keys.require(key, nullptr);
  for (const char* key :
       {"dual_cross_attention", "resnet_skip_time_act", "class_embeddings_concat"})
    keys.require(key, false);
  keys.require("resnet_out_scale_factor", 1.0);
  keys.require("attention_type", "default");
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) keys.require(key, 3);
  static_cast<void>(keys.find("addition_embed_type_num_heads"));  // of other embeddings
}

// What the network makes is the image; what its input has more follows the image.
void read_image(JsonKeys& keys, Config& config) {
  const std::int64_t in = keys.integer("in_channels", 4), out = keys.integer("out_channels", 4);
  if (in < 1 || in > 1024) keys.fail("in_channels", "must be in [1, 1024]");
  if (out < 1 || out > 1024) keys.fail("out_channels", "must be in [1, 1024]");
  const auto is_image = [](std::int64_t channels) {
    return channels == 1 || channels == 3 || channels == 4;
  };
  const std::int64_t image = is_image(out) && out <= in ? out : in;
  if (!is_image(image))
    keys.fail("out_channels",
              "not supported; the image that the network makes must have 1, 3 or 4");
  config.data.channels = image;
  config.model.in_channels = in == image ? 0 : in;
  config.model.predicts_variance = out == 2 * image;
  config.model.out_channels = out == image || out == 2 * image ? 0 : out;
  read_sample_size(keys, config.data);
}

// --- config -> unet/config.json --------------------------------------------------------------------

nlohmann::ordered_json per_level(const PerLevel<std::int64_t>& value) {
  if (!value.is_list()) return value.values().front();
  return value.values();
}

// The number of heads of each level. Levels without transformers may have any.
nlohmann::ordered_json heads_of(const ModelConfig& model) {
  if (!model.attention_heads.is_list() && model.attention_heads.at(0) > 0)
    return model.attention_heads.at(0);
  std::vector<std::int64_t> heads;
  for (std::size_t level = 0; level < model.attention.size(); ++level)
    heads.push_back(
        std::max<std::int64_t>(1, model.attention_heads.at(static_cast<std::int64_t>(level))));
  for (const BlockPlan& block : unet_plan(model, /*channels=*/1).blocks)
    if (block.heads > 0) heads[static_cast<std::size_t>(block.level)] = block.heads;
  return heads;
}

std::vector<std::string> types_of(std::vector<bool> levels, Direction direction) {
  std::vector<std::string> types;
  for (const bool transformer : levels)
    types.push_back((transformer ? "CrossAttn" : "") + std::string(name_of(direction)) + "Block2D");
  if (direction == Direction::kUp) std::ranges::reverse(types);
  return types;
}

nlohmann::ordered_json cross_only(const ModelConfig& model) {
  if (model.cross_only.empty()) return false;
  return model.cross_only;
}

nlohmann::ordered_json class_embed_type(const ModelConfig& model) {
  if (model.vector_width > 0 && model.vector_time_width == 0) return "projection";
  const std::string_view word = word_for(kClassEmbeddings, model.class_embedding);
  return word.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(word);
}

void check(const Config& config, UnrepresentableKeys& problems) {
  const ModelConfig& model = config.model;
  for (const BlockPlan& block : unet_plan(model, /*channels=*/1).blocks) {
    if (block.heads == 0 || block.depth > 0) continue;
    problems.add("model.transformer_depth", "all its attentions are transformers");
    break;
  }
  if (model.time_embedding != TimeEmbeddingKind::kSinusoidal)
    problems.add("model.time_embedding", "must be sinusoidal");
  if (model.time_scale != 1) problems.add("model.time_scale", "it does not scale timesteps");
  if (model.width_change != WidthChange::kFirstBlock)
    problems.add("model.width_change", "its widths drop in the first block of a level");
  if (std::ranges::count(model.downsample.values(), Downsampling::kConv) !=
      std::ssize(model.downsample.values()))
    problems.add("model.downsample", "must be conv");
  if (std::ranges::count(model.upsample.values(), Upsampling::kNearest) !=
      std::ssize(model.upsample.values()))
    problems.add("model.upsample", "must be nearest");
  if (model.activation != Activation::kSilu) problems.add("model.activation", "must be silu");
  if (model.final_groups != model.groups)
    problems.add("model.final_groups", "must equal model.groups");
  if (model.base_width != level_widths(model).front())
    problems.add("model.base_width", "must equal the width of the first level");
  const std::int64_t last = model.transformer_depth.values().back();
  if (model.middle_attention != MiddleAttention::kWithNorm)
    problems.add("model.middle_attention", "its middle has a transformer");
  if (model.middle && model.middle_depth > 0 && model.middle_depth != last &&
      model.attention.back())
    problems.add("model.middle_depth", "must be that of the last level");
}

// The depth by level. That of the last level is also the middle's.
nlohmann::ordered_json depths_of(const ModelConfig& model) {
  std::vector<std::int64_t> depths;
  const auto levels = static_cast<std::int64_t>(model.attention.size());
  for (std::int64_t level = 0; level < levels; ++level)
    depths.push_back(std::max<std::int64_t>(model.transformer_depth.at(level), 1));
  if (model.middle_depth > 0) depths.back() = model.middle_depth;
  if (std::ranges::count(depths, depths.front()) == levels) return depths.front();
  return depths;
}

}  // namespace

void apply_unet_2d_condition(JsonKeys& keys, Config& config) {
  read_levels(keys, config.model);
  read_context(keys, config.model);
  read_middle(keys, config.model);
  read_time(keys, config.model);
  read_embeddings(keys, config.model);
  read_rest(keys, config.model);
  refuse_extensions(keys);
  read_image(keys, config);
  config.data.range = PixelRange::kSymmetric;
  for (const BlockPlan& block : unet_plan(config.model, /*channels=*/1).blocks)
    if (block.heads > 0 && block.out % block.heads != 0)
      keys.fail("attention_head_dim",
                format_text("is the number of heads here, which must divide the {} channels of a "
                            "transformer",
                            block.out));
}

nlohmann::ordered_json unet_2d_condition_config(const Config& config) {
  const ModelConfig& model = config.model;
  UnrepresentableKeys problems(config, kClass);
  check(config, problems);
  problems.throw_if_any();
  const UNetPlan plan = unet_plan(model, config.data.channels);
  const bool has_sizes = model.vector_time_width > 0;
  return {
      {"_class_name", kClass},
      {"_diffusers_version", "0.42.1"},
      {"act_fn", "silu"},
      {"addition_embed_type", has_sizes ? nlohmann::ordered_json("text_time") : nullptr},
      {"addition_time_embed_dim", null_if_zero(model.vector_time_width)},
      {"attention_head_dim", heads_of(model)},
      {"block_out_channels", level_widths(model)},
      {"center_input_sample", model.center_input},
      {"class_embed_type", class_embed_type(model)},
      {"cross_attention_dim", model.context_width},
      {"down_block_types", types_of(model.attention, Direction::kDown)},
      {"downsample_padding", model.downsample_padding == DownsamplePadding::kSymmetric ? 1 : 0},
      {"dropout", model.dropout},
      {"flip_sin_to_cos", model.time_order == TimeOrder::kCosSin},
      {"freq_shift", model.time_frequencies == TimeFrequencies::kHalf ? 0 : 1},
      {"in_channels", plan.in},
      {"layers_per_block", per_level(model.blocks_per_level)},
      {"mid_block_scale_factor", model.middle_scale},
      {"mid_block_type",
       model.middle ? nlohmann::ordered_json("UNetMidBlock2DCrossAttn") : nullptr},
      {"norm_eps", model.norm_epsilon},
      {"norm_num_groups", model.groups},
      {"num_class_embeds", null_if_zero(model.classes)},
      {"only_cross_attention", cross_only(model)},
      {"out_channels", plan.out},
      {"projection_class_embeddings_input_dim", null_if_zero(model.vector_width)},
      {"resnet_time_scale_shift", word_for(kTimeScaleShift, model.time_scale_shift)},
      {"sample_size", sample_size(config.data)},
      {"time_embedding_dim", null_if_zero(model.time_width)},
      {"time_embedding_type", "positional"},
      {"transformer_layers_per_block", depths_of(model)},
      {"up_block_types",
       types_of(model.attention_up.empty() ? model.attention : model.attention_up, Direction::kUp)},
      {"use_linear_projection", model.linear_projections}};
}

}  // namespace ddpm
