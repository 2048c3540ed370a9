#include <algorithm>
#include <bit>
#include <numeric>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/config/validate.h"
#include "problems.h"

namespace ddpm {
namespace {

struct LayerWidth {
  std::int64_t channels;
  std::string where;
  std::int64_t heads = 0;  // given by attention_heads; 0: attention_head_width decides
};

// Every group norm but the last has one of these widths or, on the way up, the sum of two. A number
// that divides all of them divides the sums too.
std::vector<LayerWidth> norm_widths(const ModelConfig& model, const UNetPlan& plan) {
  std::vector<LayerWidth> widths;
  if (model.widths.empty()) widths.push_back({plan.first, "the first convolution"});
  for (const BlockPlan& block : plan.blocks)
    if (block.way == Way::kDown && block.resampling == Resampling::kNone)
      widths.push_back({block.out, format_text("level {}", block.level)});
  return widths;
}

// The widths at which there is attention, the middle first.
std::vector<LayerWidth> attention_widths(const ModelConfig& model, const UNetPlan& plan) {
  std::vector<LayerWidth> middle, levels;
  for (const BlockPlan& block : plan.blocks) {
    if (block.heads == 0) continue;
    const bool narrows = model.width_change == WidthChange::kLastBlock && block.way == Way::kUp &&
                         block.out != block.in;
    const std::int64_t heads = model.attention_heads.at(block.level);
    if (block.way == Way::kMiddle)
      middle.push_back({block.out, "the middle", heads});
    else
      levels.push_back({block.out,
                        format_text("{}level {}", narrows ? "the last block of " : "", block.level),
                        heads});
  }
  middle.insert(middle.end(), levels.begin(), levels.end());
  return middle;
}

const LayerWidth* find_indivisible(const std::vector<LayerWidth>& widths, std::int64_t divisor) {
  const auto found = std::ranges::find_if(
      widths, [&](const LayerWidth& width) { return width.channels % divisor != 0; });
  return found == widths.end() ? nullptr : &*found;
}

// The largest number up to `limit` that divides every width.
std::int64_t common_divisor(const std::vector<LayerWidth>& widths, std::int64_t limit) {
  std::int64_t common = 0;
  for (const LayerWidth& width : widths) common = std::gcd(common, width.channels);
  return largest_divisor(common, limit);
}

void check_groups(const ModelConfig& model, const UNetPlan& plan, Problems& problems) {
  const std::vector<LayerWidth> widths = norm_widths(model, plan);
  if (const LayerWidth* width = find_indivisible(widths, model.groups))
    problems.add({"model.groups", "model.base_width", "model.width_multipliers"},
                 format_text("groups must divide the {} channels of {}; set model.groups={}, or "
                             "change the widths",
                             width->channels, width->where, common_divisor(widths, model.groups)));
}

void check_middle_groups(const ModelConfig& model, Problems& problems) {
  const std::int64_t width = level_widths(model).back();
  if (model.middle_groups > 0 && width % model.middle_groups != 0)
    problems.add(
        {"model.middle_groups"},
        format_text("groups must divide the {} channels of the middle; set it to {}, or to 0",
                    width, largest_divisor(width, model.middle_groups)));
}

void check_time(const ModelConfig& model, Problems& problems) {
  if (model.time_scale != 1 && model.time_embedding != TimeEmbeddingKind::kSinusoidal)
    problems.add({"model.time_scale", "model.time_embedding"},
                 "only a sinusoidal time embedding can be scaled; set model.time_scale=1");
}

void check_classes(const ModelConfig& model, Problems& problems) {
  if (model.class_embedding == ClassEmbeddingKind::kTable && model.classes == 0)
    problems.add({"model.class_embedding", "model.classes"},
                 "a table has a row for each class; set model.classes to their number");
  if (model.class_embedding == ClassEmbeddingKind::kNone && model.classes > 0)
    problems.add({"model.class_embedding", "model.classes"},
                 "classes need an embedding; set model.class_embedding=table, or model.classes=0");
  if (model.null_class && model.class_embedding != ClassEmbeddingKind::kTable)
    problems.add(
        {"model.null_class", "model.class_embedding"},
        "the null class is a row of the table of classes; set model.class_embedding=table, "
        "or model.null_class=false");
}

void check_final_groups(const ModelConfig& model, std::int64_t last, Problems& problems) {
  if (last % model.final_groups != 0)
    problems.add({"model.final_groups", "model.base_width", "model.width_multipliers"},
                 format_text("groups must divide the {} channels before the output convolution; "
                             "set model.final_groups={}",
                             last, largest_divisor(last, model.final_groups)));
}

void check_heads(const ModelConfig& model, const UNetPlan& plan, Problems& problems) {
  std::vector<LayerWidth> widths = attention_widths(model, plan);
  for (const LayerWidth& width : widths) {
    if (width.heads == 0 || width.channels % width.heads == 0) continue;
    problems.add(
        {"model.attention_heads"},
        format_text("the {} channels of the attention in {} cannot be divided evenly among the "
                    "heads; set it to {}",
                    width.channels, width.where, common_divisor(widths, width.heads)));
    return;
  }
  if (model.attention_head_width == 0) return;
  std::erase_if(widths, [](const LayerWidth& width) { return width.heads > 0; });
  if (const LayerWidth* width = find_indivisible(widths, model.attention_head_width))
    problems.add({"model.attention_head_width"},
                 format_text("the {} channels of the attention in {} are not a multiple of it; set "
                             "it to {}, or to 0 for one head of all channels",
                             width->channels, width->where,
                             common_divisor(widths, model.attention_head_width)));
}

// Whether every list that is given instead of a single value has the right length.
bool check_lists(const ModelConfig& model, Problems& problems) {
  const std::size_t levels = model.attention.size();
  bool fits = true;
  const auto check = [&](const char* key, bool is_list, std::size_t size, std::size_t wanted) {
    if (!is_list || size == wanted) return;
    problems.add({key, "model.attention"},
                 format_text("a list needs an entry for each level{}, which makes {} here",
                             wanted == levels ? "" : " but the last", wanted));
    fits = false;
  };
  check("model.attention_up", !model.attention_up.empty(), model.attention_up.size(), levels);
  check("model.blocks_per_level", model.blocks_per_level.is_list(),
        model.blocks_per_level.values().size(), levels);
  check("model.attention_heads", model.attention_heads.is_list(),
        model.attention_heads.values().size(), levels);
  check("model.transformer_depth", model.transformer_depth.is_list(),
        model.transformer_depth.values().size(), levels);
  check("model.cross_only", !model.cross_only.empty(), model.cross_only.size(), levels);
  check("model.downsample", model.downsample.is_list(), model.downsample.values().size(),
        levels - 1);
  check("model.upsample", model.upsample.is_list(), model.upsample.values().size(), levels - 1);
  return fits;
}

void check_transformers(const ModelConfig& model, const UNetPlan& plan, Problems& problems) {
  bool any = false;
  for (const BlockPlan& block : plan.blocks) {
    any = any || block.depth > 0;
    if (block.depth == 0 || block.way != Way::kMiddle) continue;
    if (model.middle_attention == MiddleAttention::kWithoutNorm)
      problems.add({"model.middle_attention", "model.middle_depth", "model.transformer_depth"},
                   "a transformer always has a norm; set model.middle_attention=with_norm");
    if (model.middle_groups > 0)
      problems.add({"model.middle_groups", "model.middle_depth", "model.transformer_depth"},
                   "the norm of a transformer has model.groups; set model.middle_groups=0");
  }
  if (any && model.context_width == 0)
    problems.add({"model.transformer_depth", "model.middle_depth", "model.context_width"},
                 "transformers attend to a context; set model.context_width to the channels of its "
                 "tokens");
  if (!any && model.context_width > 0)
    problems.add({"model.context_width", "model.transformer_depth"},
                 "only transformers use a context; set model.transformer_depth=1, or "
                 "model.context_width=0");
}

void check_vector(const ModelConfig& model, Problems& problems) {
  if (model.vector_time_width > 0 && model.vector_width <= model.vector_time_width)
    problems.add({"model.vector_time_width", "model.vector_width"},
                 "the vector consists of other numbers and the sinusoids of sizes, so it has more "
                 "numbers than one of them");
  if (model.vector_time_width % 2 != 0)
    problems.add({"model.vector_time_width"}, "a sinusoid has as many sines as cosines");
  if (model.vector_width > 0 && model.vector_time_width == 0 &&
      model.class_embedding != ClassEmbeddingKind::kNone)
    problems.add({"model.vector_width", "model.class_embedding"},
                 "a vector without sizes takes the place of the class; set "
                 "model.class_embedding=none");
}

void check_outputs(const ModelConfig& model, Problems& problems) {
  if (model.predicts_variance && model.out_channels > 0)
    problems.add({"model.predicts_variance", "model.out_channels"},
                 "the output of a network that predicts its variance has twice the channels of the "
                 "image; set model.out_channels=0");
}

std::int64_t nearest_multiple(std::int64_t value, std::int64_t factor) {
  return std::max((value + factor / 2) / factor, std::int64_t{1}) * factor;
}

}  // namespace

std::int64_t largest_divisor(std::int64_t value, std::int64_t limit) {
  std::int64_t divisor = std::min(limit, value);
  while (value % divisor != 0) --divisor;
  return divisor;
}

void check_model(const ModelConfig& model, Problems& problems) {
  if (model.width_multipliers.size() != model.attention.size()) {
    problems.add({"model.width_multipliers", "model.attention"},
                 "both lists need one entry for each level, so they must have the same length");
    return;
  }
  if (!model.widths.empty() && model.widths.size() != model.attention.size()) {
    problems.add({"model.widths", "model.attention"},
                 "both lists need one entry for each level; or leave model.widths empty, for "
                 "multiples of model.base_width");
    return;
  }
  if (!model.widths.empty() && model.width_change == WidthChange::kLastBlock) {
    problems.add({"model.widths", "model.width_change"},
                 "with width_change=last_block the widths must be given by base_width and "
                 "width_multipliers");
    return;
  }
  if (!check_lists(model, problems)) return;
  const std::vector<std::int64_t> levels = level_widths(model);
  if (levels.back() > kMaxWidth) {
    problems.add({"model.base_width", "model.width_multipliers", "model.compounding_widths"},
                 format_text("level {} would have more than {} channels; use smaller numbers",
                             levels.size() - 1, kMaxWidth));
    return;
  }
  const UNetPlan plan = unet_plan(model, /*channels=*/1);
  check_groups(model, plan, problems);
  check_middle_groups(model, problems);
  check_final_groups(model, plan.last, problems);
  check_classes(model, problems);
  check_outputs(model, problems);
  check_transformers(model, plan, problems);
  check_vector(model, problems);
  check_time(model, problems);
  check_heads(model, plan, problems);
}

std::string image_size_problem(const ModelConfig& model, std::int64_t height, std::int64_t width) {
  const std::size_t levels = model.width_multipliers.size();
  const std::int64_t factor = size_factor(model);
  if (height > 0 && width > 0 && height % factor == 0 && width % factor == 0) return "";
  // There is the full resolution, and one more level for each time that both sides can be halved.
  const auto common = static_cast<std::uint64_t>(std::gcd(height, width));
  const int possible_levels = 1 + std::countr_zero(std::max<std::uint64_t>(common, 1));
  return format_text(
      "images of {}x{} pixels (width x height) do not fit a network of {} levels, which needs "
      "multiples of {}; set data.height={} and data.width={}, or use at most {} in "
      "model.width_multipliers and model.attention",
      width, height, levels, factor, nearest_multiple(height, factor),
      nearest_multiple(width, factor), counted(possible_levels, "level"));
}

void check_image_size(const ModelConfig& model, std::int64_t height, std::int64_t width) {
  const std::string problem = image_size_problem(model, height, width);
  if (!problem.empty()) throw ConfigError("config: " + problem);
}

}  // namespace ddpm
