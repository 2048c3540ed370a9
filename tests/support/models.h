// Configs of published networks.
#pragma once

#include "ddpm/config/config.h"

namespace ddpm::testing {

// Ho et al., CIFAR-10: the defaults.
inline ModelConfig ho_cifar10() { return {}; }

// The same narrower and with fewer blocks, attention on two of three levels.
inline ModelConfig small_ho() {
  ModelConfig model;
  model.base_width = 32;
  model.width_multipliers = {1, 2, 3};
  model.blocks_per_level = 1;
  model.attention = {false, true, true};
  return model;
}

// labml-nn's UNet.
inline ModelConfig labml(std::int64_t width, std::vector<std::int64_t> multipliers,
                         std::vector<bool> attention, std::int64_t blocks) {
  ModelConfig model;
  model.base_width = width;
  model.width_multipliers = std::move(multipliers);
  model.compounding_widths = true;
  model.blocks_per_level = blocks;
  model.attention = std::move(attention);
  model.attention_kind = AttentionKind::kFused;
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.upsample = Upsampling::kTransposed;
  model.width_change = WidthChange::kLastBlock;
  model.final_groups = 8;
  model.norm_epsilon = 1e-5;
  model.initialization = Initialization::kPytorch;
  model.names = NamingScheme::kLabml;
  return model;
}

// A network that trains in milliseconds.
inline ModelConfig tiny() {
  ModelConfig model;
  model.base_width = 8;
  model.width_multipliers = {1, 2};
  model.blocks_per_level = 1;
  model.attention = {false, true};
  model.groups = 4;
  model.final_groups = 4;
  return model;
}

}  // namespace ddpm::testing
