// config -> unet/config.json
#include <algorithm>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/interop/diffusers.h"
#include "diffusers_words.h"

namespace ddpm {
namespace {

// Keys with values that UNet2DModel has no word for, each with the reason.
class UnrepresentableKeys {
 public:
  explicit UnrepresentableKeys(const Config& config) : config_(config) {}
  void add(const std::string& key, const std::string& reason) {
    list_.push_back(
        format_text("{} = {}: {}", key, value_text(find_field(key)->value(config_)), reason));
  }
  void throw_if_any() const {
    if (!list_.empty())
      throw ConfigError("UNet2DModel of diffusers cannot represent this network:\n  " +
                        join(list_, "\n  "));
  }

 private:
  const Config& config_;
  std::vector<std::string> list_;
};

// Channels of a head, the same in every attention; null: one head.
nlohmann::ordered_json head_width(const ModelConfig& model, UnrepresentableKeys& problems) {
  if (model.attention_heads == 0)
    return model.attention_head_width == 0 ? nlohmann::ordered_json(nullptr)
                                           : nlohmann::ordered_json(model.attention_head_width);
  std::vector<std::int64_t> heads;
  for (const BlockPlan& block : unet_plan(model, /*channels=*/1).blocks)
    if (block.heads > 0) heads.push_back(block.out / block.heads);
  if (heads.empty()) return nullptr;
  if (std::ranges::any_of(heads, [&](std::int64_t width) { return width != heads.front(); }))
    problems.add("model.attention_heads", "heads must be equally wide at every level there");
  return heads.front();
}

void check(const Config& config, UnrepresentableKeys& problems) {
  const ModelConfig& model = config.model;
  if (model.attention_kind != AttentionKind::kQkv)
    problems.add("model.attention_kind", "attention there has a norm and three projections");
  if (model.time_scale != 1) problems.add("model.time_scale", "timesteps are not scaled there");
  if (model.width_change != WidthChange::kFirstBlock)
    problems.add("model.width_change", "widths drop in the first block there");
  if (std::ranges::count(model.upsample.values(), Upsampling::kTransposed) > 0)
    problems.add("model.upsample", "images are doubled by repeating pixels there");
  if (model.blocks_per_level.is_list())
    problems.add("model.blocks_per_level", "all levels have equally many there");
  if (model.final_groups != model.groups)
    problems.add("model.final_groups", "must equal model.groups there");
  const std::vector<std::int64_t> widths = level_widths(model);
  if (model.base_width != widths.front())
    problems.add("model.base_width", "must equal the width of the first level there");
  if (model.middle_attention == MiddleAttention::kWithoutNorm && !model.time_scale_shift)
    problems.add("model.middle_attention", "goes only with model.time_scale_shift there");
}

std::string block_type(bool attention, bool residual, bool down) {
  if (attention) return down ? "AttnDownBlock2D" : "AttnUpBlock2D";
  if (residual) return down ? "ResnetDownsampleBlock2D" : "ResnetUpsampleBlock2D";
  return down ? "DownBlock2D" : "UpBlock2D";
}

// One way of a network, full resolution first, as that class sees it.
struct WayTypes {
  std::vector<std::string> blocks;
  bool residual = false;  // downsample_type or upsample_type, which levels with attention honour
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
                   "levels with attention must all resample alike there");
    with_attention = way.residual = residual(level);
  }
  if (!down) std::ranges::reverse(way.blocks);
  return way;
}

nlohmann::ordered_json sample_size(const DataConfig& data) {
  if (data.height == 0 || data.width == 0) return nullptr;
  if (data.height == data.width) return data.height;
  return {data.height, data.width};
}

nlohmann::ordered_json null_if_zero(std::int64_t value) {
  return value == 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

nlohmann::ordered_json class_embed_type(const ModelConfig& model) {
  const std::string_view word = word_for(kClassEmbeddings, model.class_embedding);
  return word.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(word);
}

}  // namespace

nlohmann::ordered_json unet_config(const Config& config) {
  const ModelConfig& model = config.model;
  UnrepresentableKeys problems(config);
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
      {"num_class_embeds", null_if_zero(model.classes)},
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
