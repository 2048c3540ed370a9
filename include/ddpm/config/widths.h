// Channels of the levels of a UNet, full resolution first, and the keys of model.* that say them.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// No network is wider; far from overflow.
inline constexpr std::int64_t kMaxWidth = 65536;

// model.widths, or multiples of model.base_width. At least one level. Ends with the first of more
// than kMaxWidth channels, which validate() refuses.
std::vector<std::int64_t> level_widths(const ModelConfig& model);

// Channels of the first convolution.
std::int64_t first_width(const ModelConfig& model);

// Channels of the time embedding.
std::int64_t time_width(const ModelConfig& model);

// Sets the keys so that level_widths gives `widths` and first_width `first`, by multiples of
// model.base_width (or of the level before, if `compounding`) where they can say it.
void set_level_widths(ModelConfig& model, const std::vector<std::int64_t>& widths,
                      std::int64_t first, bool compounding = false);

}  // namespace ddpm
