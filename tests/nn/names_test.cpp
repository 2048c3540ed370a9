#include "ddpm/interop/names.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/nn/unet.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

// diffusers: by level and kind, up from the lowest resolution. Four levels, two blocks.
TEST(Names, OfDiffusers) {
  const UNetNames names = UNetNames::make(NamingScheme::kDiffusers, 4, 2);
  EXPECT_EQ(names.down_res(1, 0), "down_blocks.1.resnets.0");
  EXPECT_EQ(names.down_attention(1, 1), "down_blocks.1.attentions.1");
  EXPECT_EQ(names.downsample(2), "down_blocks.2.downsamplers.0");
  EXPECT_EQ(names.up_res(3, 2), "up_blocks.0.resnets.2");
  EXPECT_EQ(names.up_res(0, 0), "up_blocks.3.resnets.0");
  EXPECT_EQ(names.up_attention(2, 1), "up_blocks.1.attentions.1");
  EXPECT_EQ(names.upsample(1), "up_blocks.2.upsamplers.0");
}

// labml: one list of blocks and resampling steps; two blocks and a downsample down, three and an
// upsample up.
TEST(Names, OfLabml) {
  const UNetNames names = UNetNames::make(NamingScheme::kLabml, 4, 2);
  EXPECT_EQ(names.down_res(0, 0), "down.0.res");
  EXPECT_EQ(names.downsample(0), "down.2");
  EXPECT_EQ(names.down_res(1, 0), "down.3.res");
  EXPECT_EQ(names.down_attention(3, 1), "down.10.attn");
  EXPECT_EQ(names.up_res(3, 0), "up.0.res");
  EXPECT_EQ(names.upsample(3), "up.3");
  EXPECT_EQ(names.up_res(2, 0), "up.4.res");
  EXPECT_EQ(names.up_attention(0, 2), "up.14.attn");
}

// OpenAI: the first convolution is a block of the list down; upsampling is the last part of a
// level's last block, behind its attention.
TEST(Names, OfOpenAi) {
  const UNetNames names = UNetNames::make(NamingScheme::kOpenai, 3, 2, {false, true, false});
  EXPECT_EQ(names.down_res(0, 0), "input_blocks.1.0");
  EXPECT_EQ(names.downsample(0), "input_blocks.3.0");
  EXPECT_EQ(names.down_attention(1, 1), "input_blocks.5.1");
  EXPECT_EQ(names.up_res(2, 0), "output_blocks.0.0");
  EXPECT_EQ(names.upsample(2), "output_blocks.2.1");
  EXPECT_EQ(names.up_attention(1, 0), "output_blocks.3.1");
  EXPECT_EQ(names.upsample(1), "output_blocks.5.2");
}

TEST(Names, OfHoAndPytorchDdpm) {
  const UNetNames ho = UNetNames::make(NamingScheme::kHo, 3, 2),
                  other = UNetNames::make(NamingScheme::kPytorchDdpm, 3, 2);
  EXPECT_EQ(ho.up_res(2, 1), "up.2.block.1") << "levels are counted as on the way down";
  EXPECT_EQ(ho.upsample(1), "up.1.upsample");
  EXPECT_EQ(other.down_attention(1, 0), "downblocks.3.attn");
  EXPECT_EQ(other.up_res(1, 0), "upblocks.4");
  EXPECT_EQ(other.upsample(2), "upblocks.3");
}

// Both schemes name the same tensors.
TEST(Names, SchemesNameTheSameTensors) {
  ModelConfig model = testing::tiny();
  model.width_multipliers = {1, 2, 2};
  model.attention = {false, true, true};
  model.blocks_per_level = 2;
  const auto shapes = [&](NamingScheme scheme) {
    model.names = scheme;
    std::vector<std::vector<std::int64_t>> sizes;
    for (const auto& item : UNet(model, 3)->named_parameters())
      sizes.push_back(item.value().sizes().vec());
    std::sort(sizes.begin(), sizes.end());
    return sizes;
  };
  EXPECT_EQ(shapes(NamingScheme::kDiffusers), shapes(NamingScheme::kLabml));
}

TEST(Names, AreUnique) {
  for (const NamingScheme scheme : {NamingScheme::kDiffusers, NamingScheme::kLabml}) {
    ModelConfig model = testing::tiny();
    model.names = scheme;
    std::vector<std::string> names = UNet(model, 3)->named_parameters().keys();
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  }
}

TEST(LevelWidths, MultiplyTheBaseOrTheLevelBefore) {
  ModelConfig model;
  model.base_width = 64;
  model.width_multipliers = {1, 2, 2, 4};
  EXPECT_EQ(level_widths(model), (std::vector<std::int64_t>{64, 128, 128, 256}));
  model.compounding_widths = true;
  EXPECT_EQ(level_widths(model), (std::vector<std::int64_t>{64, 128, 256, 1024}));
}

}  // namespace
}  // namespace ddpm
