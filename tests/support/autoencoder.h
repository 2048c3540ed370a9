// The tensors of an autoencoder as CompVis's Encoder and Decoder name them, without values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm::testing {

inline void add_layer(TensorSet& set, const std::string& layer,
                      const std::vector<std::int64_t>& weight) {
  set.tensors.push_back({layer + ".weight", DType::kF32, weight, {}});
  set.tensors.push_back({layer + ".bias", DType::kF32, {weight.front()}, {}});
}

inline void add_residual(TensorSet& set, const std::string& path, std::int64_t in,
                         std::int64_t out) {
  add_layer(set, path + ".norm1", {in});
  add_layer(set, path + ".conv1", {out, in, 3, 3});
  add_layer(set, path + ".norm2", {out});
  add_layer(set, path + ".conv2", {out, out, 3, 3});
  if (in != out) add_layer(set, path + ".nin_shortcut", {out, in, 1, 1});
}

inline void add_middle(TensorSet& set, const std::string& path, std::int64_t width) {
  add_residual(set, path + ".block_1", width, width);
  add_layer(set, path + ".attn_1.norm", {width});
  for (const char* name : {"q", "k", "v", "proj_out"})
    add_layer(set, path + ".attn_1." + name, {width, width, 1, 1});
  add_residual(set, path + ".block_2", width, width);
}

// With `blocks` residual blocks in each level of the encoder.
inline TensorSet compvis_autoencoder(const std::vector<std::int64_t>& widths, int blocks) {
  TensorSet set;
  set.path = "vae.safetensors";
  const std::int64_t last = widths.back();
  std::int64_t width = widths.front();
  add_layer(set, "encoder.conv_in", {width, 3, 3, 3});
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string level = "encoder.down." + std::to_string(i);
    for (int j = 0; j < blocks; ++j, width = widths[i])
      add_residual(set, format_text("{}.block.{}", level, j), width, widths[i]);
    if (i + 1 < widths.size()) add_layer(set, level + ".downsample.conv", {width, width, 3, 3});
  }
  add_middle(set, "encoder.mid", last);
  add_layer(set, "encoder.norm_out", {last});
  add_layer(set, "encoder.conv_out", {8, last, 3, 3});
  add_layer(set, "decoder.conv_in", {last, 4, 3, 3});
  add_middle(set, "decoder.mid", last);
  for (std::size_t i = widths.size(); i-- > 0;) {
    const std::string level = "decoder.up." + std::to_string(i);
    for (int j = 0; j <= blocks; ++j, width = widths[i])
      add_residual(set, format_text("{}.block.{}", level, j), width, widths[i]);
    if (i > 0) add_layer(set, level + ".upsample.conv", {width, width, 3, 3});
  }
  add_layer(set, "decoder.norm_out", {widths.front()});
  add_layer(set, "decoder.conv_out", {3, widths.front(), 3, 3});
  add_layer(set, "quant_conv", {8, 8, 1, 1});
  add_layer(set, "post_quant_conv", {4, 4, 1, 1});
  return set;
}

}  // namespace ddpm::testing
