#include "ddpm/config/unet_plan.h"

#include <algorithm>

namespace ddpm {
namespace {

std::int64_t heads_of(const ModelConfig& model, std::int64_t level, std::int64_t channels) {
  if (model.attention_heads.at(level) > 0) return model.attention_heads.at(level);
  if (model.attention_head_width == 0) return 1;
  return std::max<std::int64_t>(1, channels / model.attention_head_width);
}

Resampling resampling_of(Downsampling kind) {
  switch (kind) {
    case Downsampling::kConv:
      return Resampling::kConvolution;
    case Downsampling::kResnet:
      return Resampling::kResidual;
  }
  return Resampling::kNone;
}

Resampling resampling_of(Upsampling kind) {
  switch (kind) {
    case Upsampling::kNearest:
      return Resampling::kConvolution;
    case Upsampling::kTransposed:
      return Resampling::kTransposed;
    case Upsampling::kResnet:
      return Resampling::kResidual;
  }
  return Resampling::kNone;
}

// Appends block after block; the input of each is the output of the one before.
class Builder {
 public:
  Builder(const ModelConfig& model, UNetPlan& plan)
      : model_(model), plan_(plan), widths_(level_widths(model)), width_(plan.first) {
    skips_.push_back(width_);
  }

  void build() {
    for (std::int64_t level = 0; level < plan_.levels; ++level) down(level);
    if (model_.middle) middle();
    for (std::int64_t level = plan_.levels - 1; level >= 0; --level) up(level);
    plan_.last = width_;
  }

 private:
  void add(BlockPlan block, bool attention) {
    block.in = width_;
    width_ = block.out;
    if (attention) {
      block.heads = heads_of(model_, block.level, width_);
      block.depth = depth_of(block);
      block.cross_only = block.way != Way::kMiddle && !model_.cross_only.empty() &&
                         model_.cross_only[static_cast<std::size_t>(block.level)];
    }
    plan_.blocks.push_back(block);
  }

  std::int64_t depth_of(const BlockPlan& block) const {
    if (block.way == Way::kMiddle && model_.middle_depth > 0) return model_.middle_depth;
    return model_.transformer_depth.at(block.level);
  }

  std::int64_t width_of(std::int64_t level) const {
    return widths_[static_cast<std::size_t>(level)];
  }

  // The result of every block is kept for the way up.
  void down(std::int64_t level) {
    const bool attention = model_.attention[static_cast<std::size_t>(level)];
    const std::int64_t blocks = model_.blocks_per_level.at(level);
    for (std::int64_t i = 0; i < blocks; ++i) {
      add({.way = Way::kDown, .level = level, .index = i, .out = width_of(level)}, attention);
      skips_.push_back(width_);
    }
    if (level + 1 == plan_.levels) return;
    add({.way = Way::kDown,
         .level = level,
         .index = blocks,
         .out = width_,
         .resampling = resampling_of(model_.downsample.at(level))},
        false);
    skips_.push_back(width_);
  }

  void middle() {
    const BlockPlan block{.way = Way::kMiddle, .level = plan_.levels - 1, .out = width_};
    add(block, model_.middle_attention != MiddleAttention::kNone);
    add(block, false);
    plan_.blocks.back().index = 1;
  }

  // A level has one block more than on the way down, for the result of the change of resolution.
  void up(std::int64_t level) {
    const std::vector<bool>& levels =
        model_.attention_up.empty() ? model_.attention : model_.attention_up;
    const bool attention = levels[static_cast<std::size_t>(level)];
    const std::int64_t blocks = model_.blocks_per_level.at(level) + 1;
    for (std::int64_t i = 0; i < blocks; ++i) {
      const bool narrows = model_.width_change == WidthChange::kLastBlock && i + 1 == blocks;
      const std::int64_t next = level > 0 ? width_of(level - 1) : model_.base_width;
      add({.way = Way::kUp,
           .level = level,
           .index = i,
           .skip = skips_.back(),
           .out = narrows ? next : width_of(level)},
          attention);
      skips_.pop_back();
    }
    if (level > 0)
      add({.way = Way::kUp,
           .level = level,
           .index = blocks,
           .out = width_,
           .resampling = resampling_of(model_.upsample.at(level - 1))},
          false);
  }

  const ModelConfig& model_;
  UNetPlan& plan_;
  std::vector<std::int64_t> widths_;
  std::int64_t width_;               // channels after the last block so far
  std::vector<std::int64_t> skips_;  // channels of the results kept for the way up
};

}  // namespace

UNetPlan unet_plan(const ModelConfig& model, std::int64_t channels) {
  UNetPlan plan{.blocks = {},
                .levels = static_cast<std::int64_t>(model.width_multipliers.size()),
                .in = model.in_channels > 0 ? model.in_channels : channels,
                .out = model.out_channels > 0 ? model.out_channels
                                              : (model.predicts_variance ? 2 : 1) * channels,
                .first = model.widths.empty() ? model.base_width : model.widths.front(),
                .last = 0,
                .time_features = (model.time_embedding == TimeEmbeddingKind::kFourier ? 2 : 1) *
                                 model.base_width,
                .time = time_width(model),
                .context = model.context_width,
                .vector = model.vector_width};
  Builder(model, plan).build();
  return plan;
}

std::vector<std::int64_t> level_widths(const ModelConfig& model) {
  if (!model.widths.empty()) return model.widths;
  std::vector<std::int64_t> widths;
  for (const std::int64_t multiplier : model.width_multipliers) {
    const bool compounds = model.compounding_widths && !widths.empty();
    widths.push_back(multiplier * (compounds ? widths.back() : model.base_width));
    if (widths.back() > kMaxWidth) break;
  }
  return widths;
}

std::int64_t class_rows(const ModelConfig& model) {
  return model.classes + (model.null_class ? 1 : 0);
}

std::int64_t time_width(const ModelConfig& model) {
  return model.time_width > 0 ? model.time_width : 4 * model.base_width;
}

void set_level_widths(ModelConfig& model, const std::vector<std::int64_t>& widths,
                      std::int64_t first, bool compounding) {
  constexpr std::int64_t kMaxMultiplier = 64;  // the limit of the field
  model.widths.clear();
  model.width_multipliers.clear();
  model.compounding_widths = compounding;
  bool exact = first == model.base_width;
  std::int64_t before = model.base_width;
  for (const std::int64_t width : widths) {
    const std::int64_t unit = compounding ? before : model.base_width;
    exact = exact && width % unit == 0 && width / unit <= kMaxMultiplier;
    model.width_multipliers.push_back(width / unit);
    before = width;
  }
  if (exact) return;
  model.compounding_widths = false;
  model.width_multipliers.assign(widths.size(), 1);
  model.widths = widths;
}

std::int64_t size_factor(const ModelConfig& model) {
  const bool resizes = model.context_width > 0 &&
                       std::ranges::count(model.downsample.values(), Downsampling::kResnet) == 0 &&
                       std::ranges::all_of(model.upsample.values(), [](Upsampling kind) {
                         return kind == Upsampling::kNearest;
                       });
  if (resizes) return 1;
  return std::int64_t{1} << (model.width_multipliers.size() - 1);
}

}  // namespace ddpm
