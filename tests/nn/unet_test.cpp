#include "ddpm/nn/unet.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

using testing::hash_fill;
using testing::hash_tensor;
using testing::small_ho;

TEST(UNet, ScalesTimes) {
  ModelConfig model = small_ho();
  UNet plain = testing::initialized_unet(model, 3);
  model.time_scale = 0.25;
  UNet scaled = testing::initialized_unet(model, 3);
  for (UNet* net : {&plain, &scaled}) hash_fill(**net);
  const torch::Tensor x = hash_tensor(1000000, {2, 3, 16, 16}, 3.0).to(torch::kFloat32);
  torch::NoGradGuard no_grad;
  const torch::Tensor expected = plain->forward(x, torch::tensor({3.0F, 10.5F}));
  EXPECT_TRUE(torch::equal(scaled->forward(x, torch::tensor({12, 42}, torch::kInt64)), expected));
  EXPECT_TRUE(torch::equal(scaled->forward(x, torch::tensor({12.0F, 42.0F})), expected));
}

// Training gives times as integers, samplers as float32.
TEST(UNet, TakesTimesAsWholeNumbersOrFloats) {
  for (const TimeEmbeddingKind kind : kChoices<TimeEmbeddingKind>) {
    ModelConfig model = testing::tiny();
    model.time_embedding = kind;
    if (kind == TimeEmbeddingKind::kLearned) model.time_table = 1000;
    UNet net = testing::initialized_unet(model, 3);
    hash_fill(*net);
    const torch::Tensor x = hash_tensor(1000000, {2, 3, 16, 16}, 3.0).to(torch::kFloat32);
    torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(net->forward(x, torch::tensor({1.0F, 999.0F})),
                             net->forward(x, torch::tensor({1, 999}, torch::kInt64))))
        << name_of(kind);
  }
}

TEST(UNet, FurtherChannelsFollowTheImage) {
  ModelConfig model = testing::small_sd1();
  model.in_channels = 9;
  UNet net = testing::initialized_unet(model, 4);
  hash_fill(*net);
  torch::NoGradGuard no_grad;
  const torch::Tensor x = torch::randn({2, 9, 8, 8}), t = torch::tensor({5, 7});
  Condition condition = zero_condition(model, 2);
  const torch::Tensor whole = net->forward(x, t, condition);
  EXPECT_EQ(whole.size(1), 4);
  condition.image = x.narrow(1, 4, 5);
  EXPECT_TRUE(torch::equal(net->forward(x.narrow(1, 0, 4), t, condition), whole));
}

TEST(UNet, WithTransformersNeedsItsContextAndVector) {
  const ModelConfig model = testing::small_sdxl();
  UNet net = testing::initialized_unet(model, 4);
  const torch::Tensor x = torch::zeros({1, 4, 8, 8}), t = torch::tensor({5});
  Condition condition = zero_condition(model, 1);
  condition.context = torch::Tensor();
  EXPECT_THROW(net->forward(x, t, condition), std::invalid_argument);
  condition = zero_condition(model, 1);
  condition.vector = torch::Tensor();
  EXPECT_THROW(net->forward(x, t, condition), std::invalid_argument);
}

// A row of the table gives the same result as the same vector given by the user.
TEST(UNet, IdentityTakesTheVectorOfAClass) {
  ModelConfig model = testing::tiny();
  model.class_embedding = ClassEmbeddingKind::kTable;
  model.classes = 3;
  UNet by_table = testing::initialized_unet(model, 3);
  hash_fill(*by_table);
  model.class_embedding = ClassEmbeddingKind::kIdentity;
  model.classes = 0;
  UNet by_vector = testing::initialized_unet(model, 3);
  torch::NoGradGuard no_grad;
  const auto from = by_table->named_parameters();
  for (auto& item : by_vector->named_parameters()) item.value().copy_(from[item.key()]);
  const torch::Tensor table = from["class_embedding.weight"];
  EXPECT_EQ(table.sizes(), torch::IntArrayRef({3, 32}));
  const torch::Tensor x = torch::randn({2, 3, 8, 8}), t = torch::tensor({5, 900}),
                      labels = torch::tensor({2, 0});
  const torch::Tensor expected = by_table->forward(x, t, {.labels = labels});
  EXPECT_TRUE(
      torch::equal(by_vector->forward(x, t, {.labels = table.index_select(0, labels)}), expected));
  EXPECT_FALSE(torch::allclose(by_table->forward(x, t, {.labels = torch::tensor({1, 0})}), expected,
                               0, 1e-3));
  EXPECT_THROW(by_table->forward(x, t), std::invalid_argument);
}

// Kernels fuse SiLU and dropout. With another activation dropout is a separate operation.
TEST(UNet, DropoutIsTheSameWithOtherActivations) {
  ModelConfig model = testing::tiny();
  model.dropout = 0.5;
  model.activation = Activation::kRelu;
  UNet net = testing::initialized_unet(model, 3);
  hash_fill(*net);
  torch::NoGradGuard no_grad;
  const torch::Tensor x = torch::randn({2, 3, 8, 8}), t = torch::tensor({5, 900});
  const ops::Draw draw(RandomKey{.seed = 1});
  const torch::Tensor dropped = net->forward(x, t, {.dropout = draw});
  EXPECT_TRUE(torch::equal(net->forward(x, t, {.dropout = draw}), dropped));
  EXPECT_FALSE(torch::allclose(net->forward(x, t), dropped, 0, 1e-3));
}

TEST(UNet, MiddleAttentionCanBeLeftOut) {
  ModelConfig model = testing::tiny();
  const auto tensors = [&] { return UNet(model, 3)->parameters().size(); };
  const std::size_t with = tensors();
  model.middle_attention = MiddleAttention::kNone;
  EXPECT_EQ(tensors(), with - 10) << "weight and bias of norm, q, k, v, output";
  UNet net = testing::initialized_unet(model, 3);
  EXPECT_EQ(net->forward(torch::zeros({1, 3, 8, 8}), torch::tensor({1})).size(1), 3);
}

TEST(UNet, HeadsByNumberEqualHeadsByWidth) {
  ModelConfig model = testing::tiny();
  model.attention_head_width = 4;
  UNet by_width = testing::initialized_unet(model, 3);
  hash_fill(*by_width);
  model.attention_head_width = 0;
  model.attention_heads = 4;  // of 4 channels each
  UNet by_number = testing::initialized_unet(model, 3);
  hash_fill(*by_number);
  const torch::Tensor x = torch::randn({1, 3, 8, 8}), t = torch::tensor({5});
  EXPECT_TRUE(torch::equal(by_width->forward(x, t), by_number->forward(x, t)));
}

TEST(UNet, RegistersTheReferencesNames) {
  const auto labml =
      UNet(testing::labml(64, {1, 2, 2, 4}, {false, false, false, true}, 2), 3)->named_parameters();
  for (const char* name : {"image_proj.weight", "time_emb.lin1.bias", "down.9.res.time_emb.weight",
                           "down.9.attn.projection.weight", "down.2.conv.weight",
                           "middle.attn.norm.weight", "up.0.res.shortcut.weight",
                           "up.3.conv.weight", "up.14.res.conv2.bias", "norm.weight", "final.bias"})
    EXPECT_TRUE(labml.contains(name)) << name;
  const auto ho = UNet(testing::ho_cifar10(), 3)->named_parameters();
  for (const char* name :
       {"conv_in.weight", "time_embedding.linear_2.weight",
        "down_blocks.1.resnets.0.conv_shortcut.weight", "down_blocks.1.attentions.1.to_out.0.bias",
        "down_blocks.0.downsamplers.0.conv.weight", "mid_block.attentions.0.group_norm.weight",
        "mid_block.resnets.1.time_emb_proj.weight", "up_blocks.2.attentions.2.to_q.weight",
        "up_blocks.0.upsamplers.0.conv.bias", "conv_norm_out.weight", "conv_out.weight"})
    EXPECT_TRUE(ho.contains(name)) << name;
}

TEST(UNet, KeepsSpatialShapeAndChannels) {
  for (const std::int64_t channels : {1, 3, 4}) {
    UNet net = testing::initialized_unet(testing::tiny(), channels);
    const torch::Tensor y =
        net->forward(torch::randn({2, channels, 8, 20}), torch::tensor({0, 999}));
    EXPECT_EQ(y.sizes(), torch::IntArrayRef({2, channels, 8, 20}));
  }
}

TEST(UNet, DropsOutOnlyWithAKeyAndRepeatably) {
  UNet net = testing::initialized_unet(testing::tiny(), 1);
  const torch::Tensor x = torch::randn({2, 1, 8, 8}), t = torch::tensor({1, 2});
  const ops::Draw key(RandomKey{.seed = 1, .step = 2});
  EXPECT_TRUE(torch::equal(net->forward(x, t), net->forward(x, t)));
  EXPECT_TRUE(
      torch::equal(net->forward(x, t, {.dropout = key}), net->forward(x, t, {.dropout = key})));
  EXPECT_FALSE(torch::allclose(net->forward(x, t), net->forward(x, t, {.dropout = key})));
}

TEST(UNet, AnswersForAnImageDoNotDependOnTheBatch) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  hash_fill(*net);
  torch::NoGradGuard no_grad;
  const torch::Tensor x = hash_tensor(5, {5, 3, 16, 16}, 3.0).to(torch::kFloat32),
                      t = torch::tensor({0, 10, 200, 500, 999});
  const ops::Draw key(RandomKey{.seed = 1, .sample = 100});
  const torch::Tensor all = net->forward(x, t, {.dropout = key});
  for (std::int64_t i = 0; i < 5; ++i) {
    const torch::Tensor one = net->forward(
        x.narrow(0, i, 1), t.narrow(0, i, 1),
        {.dropout = ops::Draw(key.key.with_sample(100 + static_cast<std::uint64_t>(i)))});
    EXPECT_TRUE(torch::allclose(all.narrow(0, i, 1), one, 1e-4, 1e-5));
  }
}

// Checks the directional derivative of a random projection of the output by central differences in
// float64.
TEST(UNet, HasTheGradientsOfItsFunction) {
  ModelConfig modulated = testing::tiny();
  modulated.time_scale_shift = true;
  modulated.downsample = Downsampling::kResnet;
  modulated.upsample = Upsampling::kResnet;
  modulated.middle_scale = 2;
  ModelConfig transformers = testing::tiny();
  transformers.transformer_depth = 2;
  transformers.context_width = 6;
  transformers.cross_only = {false, true};
  transformers.vector_width = 5;
  for (ModelConfig config :
       {testing::tiny(), testing::labml(8, {1, 2}, {false, true}, 1), modulated, transformers}) {
    config.groups = config.final_groups = 4;
    Condition condition{.dropout = ops::Draw(RandomKey{.seed = 3})};
    if (config.context_width > 0) condition.context = hash_tensor(9, {1, 3, 6}, 3.0);
    if (config.vector_width > 0) condition.vector = hash_tensor(10, {1, 5}, 3.0);
    UNet net = testing::initialized_unet(config, 2);
    net->to(torch::kFloat64);
    hash_fill(*net);
    const torch::Tensor x = hash_tensor(7, {1, 2, 8, 8}, 3.0),
                        t = torch::tensor({12.0}, torch::kFloat64),
                        projection = hash_tensor(8, {1, 2, 8, 8}, 1.0);
    const auto value = [&] { return (net->forward(x, t, condition) * projection).sum(); };
    value().backward();
    double slope = 0;
    std::vector<torch::Tensor> directions;
    for (torch::Tensor& p : net->parameters()) {
      directions.push_back(hash_tensor(100 + directions.size(), p.sizes(), 1.0));
      if (p.grad().defined()) slope += (p.grad() * directions.back()).sum().item<double>();
    }
    const auto shifted = [&](double h) {
      torch::NoGradGuard no_grad;
      std::size_t i = 0;
      for (torch::Tensor& p : net->parameters()) p.add_(directions[i++], h);
      const double y = value().item<double>();
      i = 0;
      for (torch::Tensor& p : net->parameters()) p.add_(directions[i++], -h);
      return y;
    };
    const double h = 1e-6;
    EXPECT_NEAR((shifted(h) - shifted(-h)) / (2 * h), slope, 1e-5 * std::abs(slope));
  }
}

}  // namespace
}  // namespace ddpm
