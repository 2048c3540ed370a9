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
