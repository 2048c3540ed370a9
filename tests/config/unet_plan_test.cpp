#include "ddpm/config/unet_plan.h"

#include <gtest/gtest.h>

#include "support/models.h"

namespace ddpm {
namespace {

struct Row {
  Way way;
  std::int64_t level, in, skip, out, heads;
  Resampling resampling = Resampling::kNone;
};

void expect_rows(const UNetPlan& plan, const std::vector<Row>& rows) {
  ASSERT_EQ(plan.blocks.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(plan.blocks[i].way, rows[i].way);
    EXPECT_EQ(plan.blocks[i].level, rows[i].level);
    EXPECT_EQ(plan.blocks[i].in, rows[i].in);
    EXPECT_EQ(plan.blocks[i].skip, rows[i].skip);
    EXPECT_EQ(plan.blocks[i].out, rows[i].out);
    EXPECT_EQ(plan.blocks[i].heads, rows[i].heads);
    EXPECT_EQ(plan.blocks[i].resampling, rows[i].resampling);
  }
}

constexpr Way kDown = Way::kDown, kMiddle = Way::kMiddle, kUp = Way::kUp;

// The numbers were derived by hand from UNet2DModel (block_out_channels 32, 64; layers_per_block 2;
// attention at the lower level). The way up takes the outputs of the way down, the last one first.
TEST(UNetPlan, IsTheOrderOfEvaluation) {
  ModelConfig model;
  model.base_width = 32;
  model.width_multipliers = {1, 2};
  model.attention = {false, true};
  model.attention_head_width = 16;
  const UNetPlan plan = unet_plan(model, 3);
  EXPECT_EQ(plan.levels, 2);
  EXPECT_EQ(plan.first, 32);
  EXPECT_EQ(plan.last, 32);
  EXPECT_EQ(plan.time, 128);
  expect_rows(plan, {{kDown, 0, 32, 0, 32, 0},
                     {kDown, 0, 32, 0, 32, 0},
                     {kDown, 0, 32, 0, 32, 0, Resampling::kConvolution},
                     {kDown, 1, 32, 0, 64, 4},
                     {kDown, 1, 64, 0, 64, 4},
                     {kMiddle, 1, 64, 0, 64, 4},
                     {kMiddle, 1, 64, 0, 64, 0},
                     {kUp, 1, 64, 64, 64, 4},
                     {kUp, 1, 64, 64, 64, 4},
                     {kUp, 1, 64, 32, 64, 4},
                     {kUp, 1, 64, 0, 64, 0, Resampling::kConvolution},
                     {kUp, 0, 64, 32, 32, 0},
                     {kUp, 0, 32, 32, 32, 0},
                     {kUp, 0, 32, 32, 32, 0}});
}

// labml-nn reduces the width in a level's last block and upsamples by transposed convolutions.
TEST(UNetPlan, OfLabmlNarrowsInTheLastBlock) {
  const UNetPlan plan = unet_plan(testing::labml(16, {1, 2}, {false, true}, 1), 1);
  EXPECT_EQ(plan.last, 16);
  expect_rows(plan, {{kDown, 0, 16, 0, 16, 0},
                     {kDown, 0, 16, 0, 16, 0, Resampling::kConvolution},
                     {kDown, 1, 16, 0, 32, 1},
                     {kMiddle, 1, 32, 0, 32, 1},
                     {kMiddle, 1, 32, 0, 32, 0},
                     {kUp, 1, 32, 32, 32, 1},
                     {kUp, 1, 32, 16, 16, 1},
                     {kUp, 1, 16, 0, 16, 0, Resampling::kTransposed},
                     {kUp, 0, 16, 16, 16, 0},
                     {kUp, 0, 16, 16, 16, 0}});
}

// Derived by hand from v1-inference.yaml with two levels, and from sd_xl_base.yaml's depths.
TEST(UNetPlan, OfTransformersHasTheirDepths) {
  ModelConfig model;
  model.base_width = 32;
  model.width_multipliers = {1, 2};
  model.blocks_per_level = 1;
  model.attention = {true, false};
  model.transformer_depth = std::vector<std::int64_t>{2, 3};
  model.attention_heads = std::vector<std::int64_t>{4, 8};
  model.cross_only = {true, true};
  model.context_width = 24;
  model.vector_width = 5;
  model.in_channels = 9;
  const UNetPlan plan = unet_plan(model, 4);
  EXPECT_EQ(plan.in, 9);
  EXPECT_EQ(plan.out, 4);
  EXPECT_EQ(plan.context, 24);
  EXPECT_EQ(plan.vector, 5);
  const std::vector<std::int64_t> heads = {4, 0, 0, 8, 0, 0, 0, 0, 4, 4},
                                  depths = {2, 0, 0, 3, 0, 0, 0, 0, 2, 2};
  ASSERT_EQ(plan.blocks.size(), heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    EXPECT_EQ(plan.blocks[i].heads, heads[i]) << i;
    EXPECT_EQ(plan.blocks[i].depth, depths[i]) << i;
    EXPECT_EQ(plan.blocks[i].cross_only, plan.blocks[i].way != Way::kMiddle && heads[i] > 0) << i;
  }
  model.middle_depth = 7;
  EXPECT_EQ(unet_plan(model, 4).blocks[3].depth, 7);
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
