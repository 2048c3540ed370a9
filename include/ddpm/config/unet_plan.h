// A UNet described by integers only: its blocks in the order of evaluation. Modules (nn/unet.h),
// names (interop/names.h), checks (config/validate.h) and costs (architecture/cost.h) are each one
// loop over these blocks, so only this file knows in which order levels are visited.
#pragma once

#include <cstdint>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// The three parts of a UNet: down to lower resolutions, at the lowest, and up again.
enum class Way { kDown, kMiddle, kUp };

// How a block between two levels changes the resolution.
enum class Resampling {
  kNone,         // an ordinary residual block
  kConvolution,  // down: a strided 3x3 convolution; up: pixels are repeated, then a 3x3 convolution
  kResidual,     // a residual block that takes 2x2 means (down) or repeats pixels (up)
  kTransposed    // a transposed 4x4 convolution
};

// A residual block, or the change of resolution between two levels.
struct BlockPlan {
  Way way = Way::kDown;
  std::int64_t level = 0;  // level of its input; 0: the full resolution
  std::int64_t index = 0;  // among the blocks of this level on this way
  std::int64_t in = 0;     // channels from the block before
  std::int64_t skip = 0;   // channels from the way down that join them on the way up; 0: none
  std::int64_t out = 0;
  std::int64_t heads = 0;   // heads of the attention after the block; 0: no attention
  std::int64_t depth = 0;   // blocks of the transformer that this attention is; 0: none
  bool cross_only = false;  // the transformer has no self-attention
  Resampling resampling = Resampling::kNone;

  // Whether it is a residual block, resampling or not. Residual blocks take the time as an input.
  bool is_residual() const {
    return resampling == Resampling::kNone || resampling == Resampling::kResidual;
  }
};

struct UNetPlan {
  std::vector<BlockPlan> blocks;
  std::int64_t levels = 0;
  std::int64_t in = 0, out = 0;      // channels of the image, and of the prediction
  std::int64_t first = 0, last = 0;  // channels after the first convolution, before the last
  std::int64_t time_features = 0;    // how many numbers describe a time
  std::int64_t time = 0;             // channels of the time embedding
  std::int64_t context = 0;          // channels of the context's tokens; 0: no transformers
  std::int64_t vector = 0;           // numbers of the added vector; 0: none
};

// The tokens of a text in Stable Diffusion, for estimates of costs.
inline constexpr std::int64_t kTextTokens = 77;

// The largest width of a level. It keeps products of widths far from overflow.
inline constexpr std::int64_t kMaxWidth = 65536;

// The plan of a network for images of `channels` channels. Lists of the config must have an entry
// for each level, and no level more than kMaxWidth channels. Widths need not fit heads and groups.
UNetPlan unet_plan(const ModelConfig& model, std::int64_t channels);

// Channels of each level, full resolution first: model.widths, or multiples of model.base_width.
// The list has at least one level. It ends with the first level of more than kMaxWidth channels,
// which validate() refuses.
std::vector<std::int64_t> level_widths(const ModelConfig& model);

// Channels of the time embedding.
std::int64_t time_width(const ModelConfig& model);

// Rows of the table of classes: the classes and, if there is one, the null class.
std::int64_t class_rows(const ModelConfig& model);

// Sets the keys so that level_widths gives `widths` and the plan's first width is `first`. Where
// possible they are multiples of model.base_width, or of the level before if `compounding`.
void set_level_widths(ModelConfig& model, const std::vector<std::int64_t>& widths,
                      std::int64_t first, bool compounding = false);

// Height and width of an image must be multiples of this. Networks with transformers take any size:
// where an odd side was halved, the way up repeats pixels so that they fit the features that join.
std::int64_t size_factor(const ModelConfig& model);

}  // namespace ddpm
