// Small networks of Stable Diffusion's structure.
#pragma once

#include "ddpm/config/config.h"

namespace ddpm::testing {

// What all versions have in common.
inline ModelConfig small_sd() {
  ModelConfig model;
  model.base_width = 32;
  model.width_multipliers = {1, 2, 3};
  model.blocks_per_level = 1;
  model.context_width = 24;
  model.transformer_depth = 1;
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.time_frequencies = TimeFrequencies::kHalf;
  model.time_order = TimeOrder::kCosSin;
  model.norm_epsilon = 1e-5;
  model.dropout = 0;
  return model;
}

inline ModelConfig small_sd1() {
  ModelConfig model = small_sd();
  model.attention = {false, true, true};
  model.attention_heads = 4;
  return model;
}

inline ModelConfig small_sd2() {
  ModelConfig model = small_sd();
  model.attention = {true, true, false};
  model.attention_heads = std::vector<std::int64_t>{2, 4, 6};
  model.linear_projections = true;
  return model;
}

inline ModelConfig small_sdxl() {
  ModelConfig model = small_sd();
  model.width_multipliers = {1, 2, 4};
  model.attention = {false, true, true};
  model.attention_heads = std::vector<std::int64_t>{2, 4, 8};
  model.transformer_depth = std::vector<std::int64_t>{1, 1, 2};
  model.linear_projections = true;
  model.vector_width = 136;
  model.vector_time_width = 16;
  return model;
}

// The published networks.
inline ModelConfig sd1() {
  ModelConfig model = small_sd();
  model.base_width = 320;
  model.width_multipliers = {1, 2, 4, 4};
  model.blocks_per_level = 2;
  model.attention = {true, true, true, false};
  model.attention_heads = 8;
  model.context_width = 768;
  return model;
}

inline ModelConfig sd2() {
  ModelConfig model = sd1();
  model.attention_heads = 0;
  model.attention_head_width = 64;
  model.linear_projections = true;
  model.context_width = 1024;
  return model;
}

inline ModelConfig sdxl() {
  ModelConfig model = sd2();
  model.width_multipliers = {1, 2, 4};
  model.attention = {false, true, true};
  model.transformer_depth = std::vector<std::int64_t>{1, 2, 10};
  model.context_width = 2048;
  model.vector_width = 2816;
  model.vector_time_width = 256;
  return model;
}

}  // namespace ddpm::testing
