// Names of the network's parts. The published code bases call the same tensors differently; the
// UNet registers its modules under the names of one scheme, so a file's tensor names equal the
// reference's state-dict names, and two schemes of one network translate by walking both in the
// same order (interop/translate.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/config/unet_plan.h"

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

// Names of the parts of a UNet.
//   diffusers     huggingface/diffusers, UNet2DModel
//   labml         labml-nn, labml_nn.diffusion.ddpm.unet
//   ho            pesser/pytorch_diffusion, a port of hojonathanho/diffusion
//   pytorch_ddpm  w86763777/pytorch-ddpm
//   openai        openai/improved-diffusion and guided-diffusion; CompVis puts a prefix before
struct UNetNames {
  std::string conv_in, norm_out, conv_out;
  std::string time_embedding, time_linear1, time_linear2;
  std::string time_features = "time_proj";  // these two have parameters in few networks
  std::string class_embedding = "class_embedding";
  std::string middle_res1, middle_attention, middle_res2;
  std::string downsample_conv = "conv", upsample_conv = "conv";  // below a block that resamples
  ResBlockNames res;
  AttentionNames attention_parts;
  BlockPaths paths;

  static UNetNames of(NamingScheme scheme);
};

// Dotted paths of a block and of the attention that follows it, or could; empty: none can.
struct BlockNames {
  std::string block, attention;
};

// Those of every block of a plan, in its order.
std::vector<BlockNames> block_names(const UNetPlan& plan, const UNetNames& names);

}  // namespace ddpm
