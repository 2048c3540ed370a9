#include "ddpm/config/widths.h"

#include <algorithm>

namespace ddpm {

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

std::int64_t first_width(const ModelConfig& model) {
  return model.widths.empty() ? model.base_width : model.widths.front();
}

std::int64_t time_width(const ModelConfig& model) {
  return model.time_width > 0 ? model.time_width : 4 * model.base_width;
}

void set_level_widths(ModelConfig& model, const std::vector<std::int64_t>& widths,
                      std::int64_t first, bool compounding) {
  constexpr std::int64_t kMaxMultiplier = 64;  // of the field
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

}  // namespace ddpm
