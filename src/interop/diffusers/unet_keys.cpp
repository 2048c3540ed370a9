#include "unet_keys.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/unet_plan.h"

namespace ddpm {

void warn_of_unknown_keys(const JsonKeys& keys, const std::string& name) {
  if (const std::vector<std::string> unknown = keys.unknown(); !unknown.empty())
    log_warning("{}: unknown keys are ignored: {}", name, shorten(join(unknown)));
}

std::vector<std::int64_t> read_widths(JsonKeys& keys, const std::vector<std::int64_t>& otherwise,
                                      ModelConfig& model) {
  const std::vector<std::int64_t> widths = keys.integers("block_out_channels", otherwise);
  if (widths.empty() || widths.size() > kMaxLevels)
    keys.fail("block_out_channels", format_text("must have 1 to {} levels", kMaxLevels));
  for (const std::int64_t width : widths)
    if (width < 4 || width > 8192) keys.fail("block_out_channels", "widths must be in [4, 8192]");
  model.base_width = widths.front();
  set_level_widths(model, widths, widths.front());
  return widths;
}

void read_common(JsonKeys& keys, ModelConfig& model) {
  model.groups = model.final_groups = keys.integer("norm_num_groups", 32);
  if (model.groups < 1 || model.groups > 1024) keys.fail("norm_num_groups", "must be in [1, 1024]");
  model.norm_epsilon = keys.number("norm_eps", 1e-5);
  if (!(model.norm_epsilon > 0 && model.norm_epsilon <= 1))
    keys.fail("norm_eps", "must be in (0, 1]");
  const std::int64_t padding = keys.integer("downsample_padding", 1);
  if (padding != 0 && padding != 1)
    keys.fail("downsample_padding", "not supported; only 0 and 1 are");
  model.downsample_padding =
      padding == 0 ? DownsamplePadding::kAsymmetric : DownsamplePadding::kSymmetric;
  model.center_input = keys.boolean("center_input_sample", false);
  model.dropout = keys.number("dropout", 0);
  if (!(model.dropout >= 0 && model.dropout < 1)) keys.fail("dropout", "must be in [0, 1)");
  model.attention_kind = AttentionKind::kQkv;
  model.width_change = WidthChange::kFirstBlock;
  model.initialization = Initialization::kPytorch;
  model.names = NamingScheme::kDiffusers;
}

void read_sample_size(JsonKeys& keys, DataConfig& data) {
  const nlohmann::json* size = keys.find("sample_size");
  if (size == nullptr || size->is_null()) return;
  const std::vector<std::int64_t> sides =
      size->is_array() ? keys.integers("sample_size", {})
                       : std::vector<std::int64_t>(2, keys.integer("sample_size", 0));
  if (sides.size() != 2 || sides[0] < 1 || sides[1] < 1 || sides[0] > 16384 || sides[1] > 16384)
    keys.fail("sample_size", "must be one or two numbers in [1, 16384]");
  data.height = sides[0];
  data.width = sides[1];
}

nlohmann::ordered_json sample_size(const DataConfig& data) {
  if (data.height == 0 || data.width == 0) return nullptr;
  if (data.height == data.width) return data.height;
  return {data.height, data.width};
}

nlohmann::ordered_json null_if_zero(std::int64_t value) {
  return value == 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

void UnrepresentableKeys::add(const std::string& key, const std::string& reason) {
  list_.push_back(
      format_text("{} = {}: {}", key, value_text(find_field(key)->value(config_)), reason));
}

void UnrepresentableKeys::throw_if_any() const {
  if (!list_.empty())
    throw ConfigError(format_text("{} of diffusers cannot represent this network:\n  {}",
                                  class_name_, join(list_, "\n  ")));
}

}  // namespace ddpm
