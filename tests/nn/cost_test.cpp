#include "ddpm/architecture/cost.h"

#include <gtest/gtest.h>

#include "support/cost_probe.h"
#include "support/models.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

// Compares the cost computed from the plan with the operators of a network that really runs.
void expect_counts_what_runs(const ModelConfig& model, std::int64_t channels) {
  const std::int64_t side = std::int64_t{1} << (model.width_multipliers.size() - 1),
                     height = 4 * side, width = 2 * side;
  const testing::Probe probe = testing::probe(model, channels);
  const Cost cost = estimate_cost(model, channels, height, width);
  const double growth = 8;  // the area, in units of side x side
  std::int64_t parameters = 0;
  for (const torch::Tensor& parameter : UNet(model, channels)->parameters())
    parameters += parameter.numel();
  EXPECT_EQ(cost.parameters, parameters);
  EXPECT_DOUBLE_EQ(cost.forward_macs, probe.constant_macs + growth * probe.linear_macs +
                                          growth * growth * probe.quadratic_macs);
  EXPECT_DOUBLE_EQ(cost.activation_elements, growth * probe.activations);
  EXPECT_DOUBLE_EQ(cost.fused_activation_elements, growth * probe.fused);
}

TEST(CostOfThePlan, IsThatOfPublishedNetworks) {
  expect_counts_what_runs(testing::ho_cifar10(), 3);
  expect_counts_what_runs(testing::labml(32, {1, 2, 2, 4}, {false, false, true, true}, 2), 3);
}

TEST(CostOfThePlan, FollowsEveryOption) {
  const auto expect = [](const char* what, auto change) {
    SCOPED_TRACE(what);
    ModelConfig model = testing::tiny();
    model.width_multipliers = {1, 2, 3};
    model.attention = {false, true, true};
    change(model);
    expect_counts_what_runs(model, 3);
  };
  expect("defaults", [](ModelConfig&) {});
  expect("two blocks", [](ModelConfig& m) { m.blocks_per_level = 2; });
  expect("widths", [](ModelConfig& m) { m.widths = {12, 8, 16}; });
  expect("heads", [](ModelConfig& m) { m.attention_head_width = 4; });
  expect("no norm in the middle",
         [](ModelConfig& m) { m.middle_attention = MiddleAttention::kWithoutNorm; });
  expect("no attention in the middle",
         [](ModelConfig& m) { m.middle_attention = MiddleAttention::kNone; });
  expect("no middle", [](ModelConfig& m) { m.middle = false; });
  expect("scaled middle", [](ModelConfig& m) { m.middle_scale = 2; });
  expect("symmetric padding",
         [](ModelConfig& m) { m.downsample_padding = DownsamplePadding::kSymmetric; });
  expect("residual blocks that resample", [](ModelConfig& m) {
    m.downsample = Downsampling::kResnet;
    m.upsample = Upsampling::kResnet;
  });
  expect("transposed convolutions", [](ModelConfig& m) { m.upsample = Upsampling::kTransposed; });
  expect("learned time", [](ModelConfig& m) {
    m.time_embedding = TimeEmbeddingKind::kLearned;
    m.time_table = 50;
  });
  expect("fourier time", [](ModelConfig& m) { m.time_embedding = TimeEmbeddingKind::kFourier; });
  expect("time width", [](ModelConfig& m) { m.time_width = 20; });
  expect("scale and shift", [](ModelConfig& m) { m.time_scale_shift = true; });
  expect("table of classes", [](ModelConfig& m) {
    m.class_embedding = ClassEmbeddingKind::kTable;
    m.classes = 7;
  });
  expect("classes like times", [](ModelConfig& m) {
    m.class_embedding = ClassEmbeddingKind::kTimestep;
    m.classes = 7;
  });
  expect("vectors as classes",
         [](ModelConfig& m) { m.class_embedding = ClassEmbeddingKind::kIdentity; });
  expect("gelu", [](ModelConfig& m) { m.activation = Activation::kGelu; });
  expect("centred input", [](ModelConfig& m) { m.center_input = true; });
  expect("variance", [](ModelConfig& m) { m.predicts_variance = true; });
}

TEST(CostOfThePlan, FollowsTransformers) {
  expect_counts_what_runs(testing::small_sd1(), 4);
  expect_counts_what_runs(testing::small_sd2(), 4);
  expect_counts_what_runs(testing::small_sdxl(), 4);
  ModelConfig model = testing::small_sd1();
  model.cross_only = {false, true, false};
  model.middle_depth = 2;
  expect_counts_what_runs(model, 4);
}

}  // namespace
}  // namespace ddpm
