// Names of the network's parts. The published code bases call the same tensors differently; the
// UNet registers its modules under the names of one scheme, so a file's tensor names equal the
// reference's state-dict names, and two schemes of one network translate by walking both in the
// same order (interop/translate.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"

namespace ddpm {

// Names inside a residual block.
struct ResBlockNames {
  std::string time;      // projection of the time
  std::string shortcut;  // where widths differ
  std::string norm1 = "norm1", conv1 = "conv1", norm2 = "norm2", conv2 = "conv2";
};

// Names inside an attention block. `q`, `k`, `v` or, in one layer, `qkv`.
struct AttentionNames {
  std::string norm, q, k, v, qkv, out;
};

// Dotted paths of blocks, with places for numbers: the level, its order on the way up, the block
// within the level; or, where those of all levels are in one list, the number within that.
struct BlockPaths {
  std::string down_res, down_attention, downsample;
  std::string up_res, up_attention, upsample;
  std::int64_t first_down = 0;        // number of the first block of the way down
  bool upsampling_has_number = true;  // else it is the last part ({last}) of a level's last block
};

// Dotted paths of the parts of a UNet with `levels` levels and `blocks` residual blocks per level.
// Level 0 is the full resolution, also on the way up.
//   diffusers     huggingface/diffusers, UNet2DModel
//   labml         labml-nn, labml_nn.diffusion.ddpm.unet
//   ho            pesser/pytorch_diffusion, a port of hojonathanho/diffusion
//   pytorch_ddpm  w86763777/pytorch-ddpm
//   openai        openai/improved-diffusion and guided-diffusion; CompVis puts a prefix before
struct UNetNames {
  NamingScheme scheme = NamingScheme::kDiffusers;
  std::int64_t levels = 0;
  std::int64_t blocks = 0;
  std::vector<bool> attention = {};  // by level; decides paths of openai only
  std::string conv_in, norm_out, conv_out;
  std::string time_embedding, time_linear1, time_linear2;
  std::string time_features = "time_proj";  // these two have parameters in few networks
  std::string class_embedding = "class_embedding";
  std::string middle_res1, middle_attention, middle_res2;
  std::string downsample_conv = "conv", upsample_conv = "conv";  // below downsample(), upsample()
  ResBlockNames res;
  AttentionNames attention_parts;
  BlockPaths paths;

  // `attention` may be empty but for openai.
  static UNetNames make(NamingScheme scheme, std::int64_t levels, std::int64_t blocks,
                        const std::vector<bool>& attention = {});

  std::string down_res(std::int64_t level, std::int64_t block) const;
  std::string down_attention(std::int64_t level, std::int64_t block) const;
  std::string downsample(std::int64_t level) const;
  std::string up_res(std::int64_t level, std::int64_t block) const;
  std::string up_attention(std::int64_t level, std::int64_t block) const;
  std::string upsample(std::int64_t level) const;

 private:
  std::string on_the_way_down(const std::string& path, std::int64_t level,
                              std::int64_t block) const;
  std::string on_the_way_up(const std::string& path, std::int64_t level, std::int64_t block) const;
};

}  // namespace ddpm
