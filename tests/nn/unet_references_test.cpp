// The UNet against the original networks: parameters, and outputs that the originals computed.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/nn/unet.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

using testing::hash_fill;
using testing::hash_tensor;
using testing::small_ho;

std::int64_t parameter_count(const ModelConfig& config, std::int64_t channels) {
  std::int64_t count = 0;
  for (const torch::Tensor& p : UNet(config, channels)->parameters()) count += p.numel();
  return count;
}

std::size_t tensor_count(const ModelConfig& config, std::int64_t channels) {
  return UNet(config, channels)->parameters().size();
}

// The parameter counts are those of the original networks.
TEST(UNet, HasHosCifar10Parameters) {
  EXPECT_EQ(parameter_count(testing::ho_cifar10(), 3), 35746307);
  EXPECT_EQ(tensor_count(testing::ho_cifar10(), 3), 328u);
}

TEST(UNet, HasHos256Parameters) {
  ModelConfig model;
  model.width_multipliers = {1, 1, 2, 2, 4, 4};
  model.attention = {false, false, false, false, true, false};
  EXPECT_EQ(parameter_count(model, 3), 113673219);
  EXPECT_EQ(tensor_count(model, 3), 450u);
}

TEST(UNet, HasLabmlsParameters) {
  EXPECT_EQ(parameter_count(testing::labml(64, {1, 2, 2, 4}, {false, false, false, true}, 2), 3),
            167777987);
  EXPECT_EQ(parameter_count(testing::labml(64, {1, 2, 2, 4}, {false, false, false, true}, 2), 1),
            167775681);
  EXPECT_EQ(tensor_count(testing::labml(64, {1, 2, 2, 4}, {false, false, true, true}, 2), 3), 338u);
}

struct Reference {
  double mean, mean_abs, first, last;
};

// Compares the network in float64, filled by a hash, at t = (3, 40), with numbers that the original
// computed in float64.
void expect_reference(const ModelConfig& config, const Reference& expected,
                      const torch::Tensor& labels = {}) {
  UNet net = testing::initialized_unet(config, 3);
  net->to(torch::kFloat64);
  hash_fill(*net);
  const torch::Tensor x = hash_tensor(1000000, {2, 3, 16, 16}, 3.0);
  torch::NoGradGuard no_grad;
  const torch::Tensor y =
      net->forward(x, torch::tensor({3.0, 40.0}, torch::kFloat64), {.labels = labels});
  EXPECT_NEAR(y.mean().item<double>(), expected.mean, 2e-6);
  EXPECT_NEAR(y.abs().mean().item<double>(), expected.mean_abs, 2e-6);
  EXPECT_NEAR(y.flatten()[0].item<double>(), expected.first, 2e-6);
  EXPECT_NEAR(y.flatten()[-1].item<double>(), expected.last, 2e-6);
}

TEST(UNet, ReproducesLabml) {
  expect_reference(testing::labml(32, {1, 2, 2}, {false, false, true}, 1),
                   {-0.111950, 0.448637, 0.111382, 0.014705});
}

TEST(UNet, ReproducesHo) {
  expect_reference(small_ho(), {0.029972, 0.440582, -0.014508, 0.315214});
}

TEST(UNet, ReproducesDiffusersDefaults) {
  ModelConfig model = small_ho();
  model.attention_head_width = 8;
  model.time_order = TimeOrder::kCosSin;
  model.time_frequencies = TimeFrequencies::kHalf;
  model.downsample_padding = DownsamplePadding::kSymmetric;
  model.norm_epsilon = 1e-5;
  expect_reference(model, {0.041026, 0.439048, -0.606377, 0.508692});
}

// Every switch that only diffusers' networks use. The numbers are from UNet2DModel with these
// arguments, filled in the same way, in float64.
TEST(UNet, ReproducesDiffusersResamplingBlocksAndScaleShift) {
  ModelConfig model = small_ho();
  model.width_multipliers = {1, 1, 1};
  model.widths = {32, 48, 64};
  model.groups = model.final_groups = 16;
  model.downsample = Downsampling::kResnet;
  model.upsample = Upsampling::kResnet;
  model.time_scale_shift = true;
  model.middle_attention = MiddleAttention::kWithoutNorm;
  model.middle_scale = 1.5;
  model.center_input = true;
  model.time_width = 80;
  model.attention_head_width = 16;
  model.time_order = TimeOrder::kCosSin;
  model.time_frequencies = TimeFrequencies::kHalf;
  model.norm_epsilon = 1e-5;
  EXPECT_EQ(parameter_count(model, 3), 1103795);
  EXPECT_EQ(tensor_count(model, 3), 244u);
  expect_reference(model, {0.061074, 0.470874, -0.116619, 0.413179});
}

// tests/golden/unet_options.py printed these.
TEST(UNet, ReproducesGeluAndATableOfClasses) {
  ModelConfig model = small_ho();
  model.activation = Activation::kGelu;
  model.class_embedding = ClassEmbeddingKind::kTable;
  model.classes = 10;
  model.predicts_variance = true;
  EXPECT_EQ(parameter_count(model, 3), 1858726);
  expect_reference(model, {-0.048661, 0.425354, 0.067910, 0.079924}, torch::tensor({7, 2}));
}

TEST(UNet, ReproducesMishAndClassesAsTimes) {
  ModelConfig model = small_ho();
  model.activation = Activation::kMish;
  model.time_scale_shift = true;
  model.class_embedding = ClassEmbeddingKind::kTimestep;
  model.middle_groups = 8;
  EXPECT_EQ(parameter_count(model, 3), 1976387);
  expect_reference(model, {0.021271, 0.444969, -0.111313, -0.332118}, torch::tensor({7, 2}));
}

TEST(UNet, ReproducesReluALearnedTimeAndNoMiddle) {
  ModelConfig model = small_ho();
  model.activation = Activation::kRelu;
  model.time_embedding = TimeEmbeddingKind::kLearned;
  model.time_table = 50;
  model.middle = false;
  EXPECT_EQ(parameter_count(model, 3), 1463043);
  expect_reference(model, {0.032750, 0.436816, -0.074641, 0.010772});
}

TEST(UNet, ReproducesAFourierTime) {
  ModelConfig model = small_ho();
  model.time_embedding = TimeEmbeddingKind::kFourier;
  model.class_embedding = ClassEmbeddingKind::kTimestep;
  EXPECT_EQ(parameter_count(model, 3), 1885539);
  expect_reference(model, {0.005943, 0.078744, -0.003121, 0.012263},
                   torch::tensor({7.0, 2.0}, torch::kFloat64));
}

// The networks S1, S2 and SX of UNet2DConditionModel (diffusers 0.42.1) with these settings, filled in
// the same way, in float64, with a context of 7 tokens.
void expect_transformer_reference(const ModelConfig& config, std::size_t tensors,
                                  std::int64_t parameters, const Reference& expected,
                                  std::int64_t height = 16) {
  UNet net = testing::initialized_unet(config, 4);
  EXPECT_EQ(net->parameters().size(), tensors);
  EXPECT_EQ(parameter_count(config, 4), parameters);
  net->to(torch::kFloat64);
  hash_fill(*net);
  torch::NoGradGuard no_grad;
  Condition condition{.context = hash_tensor(1000001, {2, 7, config.context_width}, 3.0)};
  if (config.vector_width > 0)
    condition.vector =
        vector_with_sizes(config, hash_tensor(1000002, {2, 40}, 3.0),
                          torch::tensor({16, 32, 0, 4, 16, 16}, torch::kFloat64).expand({2, 6}));
  const torch::Tensor y = net->forward(hash_tensor(1000000, {2, 4, height, 16}, 3.0),
                                       torch::tensor({3.0, 40.0}, torch::kFloat64), condition);
  EXPECT_NEAR(y.mean().item<double>(), expected.mean, 2e-6);
  EXPECT_NEAR(y.abs().mean().item<double>(), expected.mean_abs, 2e-6);
  EXPECT_NEAR(y.flatten()[0].item<double>(), expected.first, 2e-6);
  EXPECT_NEAR(y.flatten()[-1].item<double>(), expected.last, 2e-6);
}

TEST(UNet, ReproducesStableDiffusion1) {
  expect_transformer_reference(testing::small_sd1(), 326, 2679876,
                               {-0.065731, 0.455474, -0.498709, 0.272284});
}

TEST(UNet, ReproducesStableDiffusion2) {
  expect_transformer_reference(testing::small_sd2(), 326, 2175108,
                               {-0.061031, 0.458131, -0.666055, -0.304141});
}

TEST(UNet, ReproducesStableDiffusionXl) {
  expect_transformer_reference(testing::small_sdxl(), 410, 5323492,
                               {0.102007, 0.497311, -0.233812, 0.495858});
}

// tests/golden/transformer_options.py printed these. Images of 13 rows have levels of 13, 7 and 4: the
// way up repeats pixels so that they fit the features that join.
TEST(UNet, ReproducesStableDiffusion1OnImagesOfAnySize) {
  ModelConfig model = testing::small_sd();
  model.width_multipliers = {1, 2};
  model.attention = {true, false};
  model.attention_heads = 8;
  model.context_width = 32;
  expect_transformer_reference(model, 208, 792964, {-0.071960, 0.468364, 0.089361, -0.658719});
  expect_transformer_reference(model, 208, 792964, {-0.070060, 0.473016, 0.089226, 0.040101}, 13);
}

TEST(UNet, ReproducesTransformersThatDifferBetweenLevels) {
  ModelConfig model = testing::small_sd();
  model.blocks_per_level = std::vector<std::int64_t>{1, 2, 1};
  model.attention = {true, true, false};
  model.attention_up = {false, true, true};
  model.attention_heads = 4;
  model.transformer_depth = std::vector<std::int64_t>{1, 2, 1};
  model.cross_only = {true, false, true};
  expect_transformer_reference(model, 500, 3255556, {-0.060532, 0.497645, -0.295858, 0.514966});
  expect_transformer_reference(model, 500, 3255556, {-0.044368, 0.492147, -0.574138, 0.137098}, 13);
}

}  // namespace
}  // namespace ddpm
