// Names of the network's parts. The published code bases call the same tensors differently; the
// UNet registers its modules under the names chosen here, so a file's tensor names equal the
// reference's state-dict names, and two schemes of one network translate by walking both in the
// same order.
#pragma once

#include <cstdint>
#include <string>

namespace ddpm {

// Names inside a residual block; norm1, conv1, norm2 and conv2 are the same everywhere.
struct ResBlockNames {
  std::string time;      // projection of the time embedding
  std::string shortcut;  // 1x1 convolution where widths differ
};

// Names inside an attention block. `q`, `k`, `v` or, in one linear layer, `qkv`.
struct AttentionNames {
  std::string norm, q, k, v, qkv, out;
};

// Dotted paths of the parts of a UNet with `levels` levels and `blocks` residual blocks per level.
// Level 0 is the full resolution, also on the way up.
struct UNetNames {
  std::string scheme;  // "diffusers" or "labml"
  std::int64_t levels = 0;
  std::int64_t blocks = 0;
  std::string conv_in, norm_out, conv_out;
  std::string time_embedding, time_linear1, time_linear2;
  std::string middle_res1, middle_attention, middle_res2;
  ResBlockNames res;
  AttentionNames attention;

  // Throws ConfigError for an unknown scheme.
  static UNetNames make(const std::string& scheme, std::int64_t levels, std::int64_t blocks);

  std::string down_res(std::int64_t level, std::int64_t block) const;
  std::string down_attention(std::int64_t level, std::int64_t block) const;
  std::string downsample(std::int64_t level) const;
  std::string up_res(std::int64_t level, std::int64_t block) const;
  std::string up_attention(std::int64_t level, std::int64_t block) const;
  std::string upsample(std::int64_t level) const;
};

}  // namespace ddpm
