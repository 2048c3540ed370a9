// Names of the network's parts. The published code bases give the same tensors different names. The
// UNet registers its modules under the names of one scheme, so the tensor names in a file equal the
// reference's state-dict names. To translate between two schemes, interop/translate.h goes through
// the names of both in the same order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/config/unet_plan.h"

namespace ddpm {

// Names inside a residual block.
struct ResBlockNames {
  std::string time;      // projection of the time embedding
  std::string shortcut;  // used where widths differ
  std::string norm1 = "norm1", conv1 = "conv1", norm2 = "norm2", conv2 = "conv2";
};

// Names inside an attention block. The projections are `q`, `k` and `v`, or one layer `qkv`. Inside
// a transformer all schemes have the same names (transformer_parts).
struct AttentionNames {
  std::string norm, q, k, v, qkv, out;
};

// Dotted paths of blocks, with placeholders for numbers: {level}, {order} of the level on the way
// up, {block} within the level; or {number} if the blocks of all levels are in one list.
struct BlockPaths {
  std::string down_res, down_attention, downsample;
  std::string up_res, up_attention, upsample;
  std::int64_t first_down = 0;        // number of the first block of the way down
  bool upsampling_has_number = true;  // else it is part {last} of a level's last block
};

// Names of the parts of a UNet.
//   diffusers     huggingface/diffusers, UNet2DModel and UNet2DConditionModel
//   labml         labml-nn, labml_nn.diffusion.ddpm.unet
//   ho            pesser/pytorch_diffusion, a port of hojonathanho/diffusion
//   pytorch_ddpm  w86763777/pytorch-ddpm
//   openai        openai/improved-diffusion and guided-diffusion; CompVis adds a prefix
struct UNetNames {
  std::string conv_in, norm_out, conv_out;
  std::string time_embedding, time_linear1, time_linear2;
  std::string time_features = "time_proj";  // few networks have parameters in these two
  std::string class_embedding = "class_embedding";
  std::string vector_embedding = "add_embedding";  // of a vector with sizes (vector_time_width)
  std::string plain_vector_embedding = "class_embedding";  // of another
  std::string middle_res1, middle_attention, middle_res2;
  std::string downsample_conv = "conv", upsample_conv = "conv";  // inside a block that resamples
  ResBlockNames res;
  AttentionNames attention_parts;
  BlockPaths paths;

  static UNetNames of(NamingScheme scheme);

  // The module that embeds the network's vector.
  const std::string& vector_of(const ModelConfig& model) const {
    return model.vector_time_width > 0 ? vector_embedding : plain_vector_embedding;
  }
};

// The paths of all layers of a transformer with `depth` blocks, in the order of CompVis's state
// dict.
std::vector<std::string> transformer_parts(std::int64_t depth);

// Dotted paths of a block and of the attention after it. `attention` is also set for a block that
// could have attention but has none; it is empty for blocks that never have it.
struct BlockNames {
  std::string block, attention;
};

// The names of every block of a plan, in the plan's order.
std::vector<BlockNames> block_names(const UNetPlan& plan, const UNetNames& names);

}  // namespace ddpm
