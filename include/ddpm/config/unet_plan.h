// A UNet as its blocks in the order of evaluation: nothing but integers. Modules (nn/unet.h), names
// (interop/names.h), checks (config/validate.h) and costs (architecture/cost.h) are each one loop
// over them, so this is the only place that knows how levels are walked.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// Down to lower resolutions, at the lowest, and up again.
enum class Way { kDown, kMiddle, kUp };

// How a block between two levels changes the resolution.
enum class Resampling {
  kNone,         // an ordinary residual block
  kConvolution,  // a 3x3 convolution: strided, or after repeating pixels
  kResidual,     // a residual block around a 2x2 mean, or around repeating pixels
  kTransposed    // a transposed 4x4 convolution
};

// A residual block, or what leads to the next level.
struct BlockPlan {
  Way way = Way::kDown;
  std::int64_t level = 0;  // of its input; 0: the full resolution
  std::int64_t index = 0;  // among the blocks of this level on this way
  std::int64_t in = 0;     // channels that come from the block before
  std::int64_t skip = 0;   // channels that join them on the way up; 0: none
  std::int64_t out = 0;
  std::int64_t heads = 0;  // of the attention that follows; 0: none follows
  Resampling resampling = Resampling::kNone;

  // Whether it is a residual block, resampling or not: these are told the time.
  bool is_residual() const {
    return resampling == Resampling::kNone || resampling == Resampling::kResidual;
  }
};

struct UNetPlan {
  std::vector<BlockPlan> blocks;
  std::int64_t levels = 0;
  std::int64_t in = 0, out = 0;      // channels of the image, and of what is predicted
  std::int64_t first = 0, last = 0;  // channels after the first convolution, before the last
  std::int64_t time_features = 0;    // numbers that stand for a time
  std::int64_t time = 0;             // channels of the time embedding
};

// No network is wider; far from overflow.
inline constexpr std::int64_t kMaxWidth = 65536;

// The network that takes images of `channels` channels. Lists of the config have one entry a level
// and no level more than kMaxWidth channels; that the widths suit heads and groups is not asked.
UNetPlan unet_plan(const ModelConfig& model, std::int64_t channels);

// Channels of each level, full resolution first: model.widths, or multiples of model.base_width. At
// least one level. Ends with the first of more than kMaxWidth channels, which validate() refuses.
std::vector<std::int64_t> level_widths(const ModelConfig& model);

// Channels of the time embedding.
std::int64_t time_width(const ModelConfig& model);

// Sets the keys so that level_widths gives `widths` and the plan's first width is `first`, by
// multiples of model.base_width (or of the level before, if `compounding`) where they can say it.
void set_level_widths(ModelConfig& model, const std::vector<std::int64_t>& widths,
                      std::int64_t first, bool compounding = false);

// What height and width must be multiples of.
std::int64_t size_factor(const ModelConfig& model);

}  // namespace ddpm
