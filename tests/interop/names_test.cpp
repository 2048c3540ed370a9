#include "ddpm/interop/names.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

// Gives the names of a network's blocks by way, level and index.
class Blocks {
 public:
  Blocks(NamingScheme scheme, std::size_t levels, std::int64_t blocks,
         std::vector<bool> attention = {}) {
    ModelConfig model;
    model.width_multipliers.assign(levels, 1);
    model.blocks_per_level = blocks;
    model.attention = attention.empty() ? std::vector<bool>(levels) : std::move(attention);
    plan_ = unet_plan(model, 3);
    names_ = block_names(plan_, UNetNames::of(scheme));
  }

  BlockNames at(Way way, std::int64_t level, std::int64_t index) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const BlockPlan& block = plan_.blocks[i];
      if (block.way == way && block.level == level && block.index == index) return names_[i];
    }
    return {};
  }
  std::string down(std::int64_t level, std::int64_t index) const {
    return at(Way::kDown, level, index).block;
  }
  std::string up(std::int64_t level, std::int64_t index) const {
    return at(Way::kUp, level, index).block;
  }
  std::string down_attention(std::int64_t level, std::int64_t index) const {
    return at(Way::kDown, level, index).attention;
  }
  std::string up_attention(std::int64_t level, std::int64_t index) const {
    return at(Way::kUp, level, index).attention;
  }

 private:
  UNetPlan plan_;
  std::vector<BlockNames> names_;
};

// diffusers names blocks by level and kind; the way up counts levels from the lowest resolution.
// Here are four levels of two blocks.
TEST(Names, OfDiffusers) {
  const Blocks blocks(NamingScheme::kDiffusers, 4, 2);
  EXPECT_EQ(blocks.down(1, 0), "down_blocks.1.resnets.0");
  EXPECT_EQ(blocks.down_attention(1, 1), "down_blocks.1.attentions.1");
  EXPECT_EQ(blocks.down(2, 2), "down_blocks.2.downsamplers.0");
  EXPECT_EQ(blocks.at(Way::kMiddle, 3, 0).block, "mid_block.resnets.0");
  EXPECT_EQ(blocks.at(Way::kMiddle, 3, 0).attention, "mid_block.attentions.0");
  EXPECT_EQ(blocks.at(Way::kMiddle, 3, 1).block, "mid_block.resnets.1");
  EXPECT_EQ(blocks.up(3, 2), "up_blocks.0.resnets.2");
  EXPECT_EQ(blocks.up(0, 0), "up_blocks.3.resnets.0");
  EXPECT_EQ(blocks.up_attention(2, 1), "up_blocks.1.attentions.1");
  EXPECT_EQ(blocks.up(1, 3), "up_blocks.2.upsamplers.0");
}

// labml has one list of blocks and resampling steps for each way. A level has two blocks and a
// downsampling on the way down, three blocks and an upsampling on the way up.
TEST(Names, OfLabml) {
  const Blocks blocks(NamingScheme::kLabml, 4, 2);
  EXPECT_EQ(blocks.down(0, 0), "down.0.res");
  EXPECT_EQ(blocks.down(0, 2), "down.2");
  EXPECT_EQ(blocks.down(1, 0), "down.3.res");
  EXPECT_EQ(blocks.down_attention(3, 1), "down.10.attn");
  EXPECT_EQ(blocks.up(3, 0), "up.0.res");
  EXPECT_EQ(blocks.up(3, 3), "up.3");
  EXPECT_EQ(blocks.up(2, 0), "up.4.res");
  EXPECT_EQ(blocks.up_attention(0, 2), "up.14.attn");
}

// OpenAI's list for the way down begins with the first convolution. Upsampling is the last part of
// a level's last block, after its attention.
TEST(Names, OfOpenAi) {
  const Blocks blocks(NamingScheme::kOpenai, 3, 2, {false, true, false});
  EXPECT_EQ(blocks.down(0, 0), "input_blocks.1.0");
  EXPECT_EQ(blocks.down(0, 2), "input_blocks.3.0");
  EXPECT_EQ(blocks.down_attention(1, 1), "input_blocks.5.1");
  EXPECT_EQ(blocks.up(2, 0), "output_blocks.0.0");
  EXPECT_EQ(blocks.up(2, 3), "output_blocks.2.1");
  EXPECT_EQ(blocks.up_attention(1, 0), "output_blocks.3.1");
  EXPECT_EQ(blocks.up(1, 3), "output_blocks.5.2");
}

TEST(Names, OfHoAndPytorchDdpm) {
  const Blocks ho(NamingScheme::kHo, 3, 2), other(NamingScheme::kPytorchDdpm, 3, 2);
  EXPECT_EQ(ho.up(2, 1), "up.2.block.1") << "levels are counted as on the way down";
  EXPECT_EQ(ho.up(1, 3), "up.1.upsample");
  EXPECT_EQ(other.down_attention(1, 0), "downblocks.3.attn");
  EXPECT_EQ(other.up(1, 0), "upblocks.4");
  EXPECT_EQ(other.up(2, 3), "upblocks.3");
}

}  // namespace
}  // namespace ddpm
