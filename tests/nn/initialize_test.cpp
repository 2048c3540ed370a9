#include "ddpm/nn/initialize.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "ddpm/nn/unet.h"
#include "support/models.h"
#include "support/networks.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kSeed = 20000000011;

double value(const UNet& net, const std::string& name, std::int64_t i) {
  return net->named_parameters()[name].detach().contiguous().flatten()[i].item<double>();
}

// tests/golden/definitions.py computed Philox and the limits in float64.
TEST(InitializeValues, AreAFunctionOfSeedParameterAndElement) {
  UNet ho = testing::initialized_unet(testing::tiny(), 1);
  initialize_weights(*ho, Initialization::kHo, kSeed);
  EXPECT_NEAR(value(ho, "conv_in.weight", 0), 0.0630881529714763, 1e-7);
  EXPECT_NEAR(value(ho, "conv_in.weight", 1), 0.1350798017408556, 1e-7);
  EXPECT_NEAR(value(ho, "conv_in.weight", 71), 0.0723402666315271, 1e-7);
  EXPECT_NEAR(value(ho, "time_embedding.linear_1.weight", 0), 0.3541164108502039, 1e-7);
  EXPECT_NEAR(value(ho, "time_embedding.linear_1.weight", 255), 0.3809166196396257, 1e-7);
  UNet pytorch = testing::initialized_unet(testing::tiny(), 1);
  initialize_weights(*pytorch, Initialization::kPytorch, kSeed);
  EXPECT_NEAR(value(pytorch, "conv_in.weight", 71), 0.0885983705520629, 1e-7);
  EXPECT_NEAR(value(pytorch, "conv_in.bias", 0), -0.0051796833674112, 1e-7);
  EXPECT_NEAR(value(pytorch, "conv_in.bias", 7), 0.1103879213333129, 1e-7);
}

// In Ho et al.'s code conv2 of a residual block, the output of attention and the output of the
// network have the variance scale 1e-10; everything else is Xavier uniform.
TEST(InitializeValues, OnlyLastLayersStartNearZero) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  initialize_weights(*net, Initialization::kHo, 1);
  int last_layers = 0;
  for (const auto& item : net->named_parameters()) {
    const std::string& name = item.key();
    const torch::Tensor w = item.value().detach();
    const double largest = w.abs().max().item<double>();
    if (w.dim() < 2) {
      EXPECT_EQ(largest, name.ends_with("bias") ? 0.0 : 1.0) << name;
      continue;
    }
    const std::int64_t field = w.numel() / (w.size(0) * w.size(1));
    const double limit = std::sqrt(6 / static_cast<double>(field * (w.size(0) + w.size(1))));
    const bool last = name.find("conv2.") != std::string::npos ||
                      name.find("to_out.") != std::string::npos || name == "conv_out.weight";
    last_layers += last;
    EXPECT_LE(largest, limit * (last ? 1e-5 : 1) * (1 + 1e-6)) << name;
    EXPECT_GE(largest, limit * (last ? 1e-5 : 1) * 0.9) << name;
  }
  // There are two levels with one block down and two up each, and two blocks in the middle; three
  // blocks and the middle have attention.
  EXPECT_EQ(last_layers, 2 + 4 + 2 + 4 + 1);
}

TEST(InitializeValues, DoNotDependOnThreads) {
  const auto weights = [](std::int64_t threads) {
    at::set_num_threads(static_cast<int>(threads));
    UNet net = testing::initialized_unet(testing::tiny(), 3);
    initialize_weights(*net, Initialization::kHo, 1);
    return net->named_parameters()["up_blocks.0.resnets.0.conv1.weight"].detach().clone();
  };
  const int before = at::get_num_threads();
  const torch::Tensor one = weights(1), two = weights(2);
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one, two));
}

TEST(Initialize, TablesAreStandardNormal) {
  ModelConfig model = testing::tiny();
  model.class_embedding = ClassEmbeddingKind::kTable;
  model.classes = 300;
  model.time_embedding = TimeEmbeddingKind::kFourier;
  UNet net = testing::initialized_unet(model, 3);
  initialize_weights(*net, Initialization::kHo, 1);
  const auto parameters = net->named_parameters();
  EXPECT_NEAR(parameters["class_embedding.weight"].std().item<double>(), 1, 0.03);
  EXPECT_NEAR(parameters["class_embedding.weight"].mean().item<double>(), 0, 0.03);
  EXPECT_GT(parameters["time_proj.weight"].abs().max().item<double>(), 4) << "deviation 16";
}

TEST(Initialize, HoStartsNearZeroAndWithinXaviersLimits) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  initialize_weights(*net, Initialization::kHo, 1);
  torch::NoGradGuard no_grad;
  EXPECT_LT(net->forward(torch::randn({1, 3, 8, 8}), torch::tensor({5})).abs().max().item<double>(),
            1e-3);
  const auto parameters = net->named_parameters();
  const torch::Tensor conv = parameters["conv_in.weight"];  // [8,3,3,3]: fan in 27, fan out 72
  EXPECT_LE(conv.abs().max().item<double>(), std::sqrt(6.0 / 99));
  EXPECT_NEAR(conv.pow(2).mean().item<double>(), 2.0 / 99, 0.005);
  EXPECT_EQ(parameters["conv_in.bias"].abs().max().item<double>(), 0);
}

TEST(Initialize, PyTorchUsesTheLayersOwnLimits) {
  UNet net = testing::initialized_unet(testing::tiny(), 3);
  initialize_weights(*net, Initialization::kPytorch, 1);
  const auto parameters = net->named_parameters();
  EXPECT_NEAR(parameters["conv_in.weight"].pow(2).mean().item<double>(), 1.0 / 27 / 3, 0.003);
  EXPECT_LE(parameters["conv_in.bias"].abs().max().item<double>(), std::sqrt(1.0 / 27));
  EXPECT_GT(parameters["conv_in.bias"].abs().max().item<double>(), 0);
  EXPECT_EQ(parameters["conv_norm_out.weight"].min().item<double>(), 1);
}

TEST(Initialize, DependsOnTheSeedAlone) {
  UNet a = testing::initialized_unet(testing::tiny(), 3),
       b = testing::initialized_unet(testing::tiny(), 3),
       c = testing::initialized_unet(testing::tiny(), 3);
  initialize_weights(*a, Initialization::kHo, 1);
  initialize_weights(*b, Initialization::kHo, 1);
  initialize_weights(*c, Initialization::kHo, 2);
  EXPECT_TRUE(torch::equal(a->parameters()[0], b->parameters()[0]));
  EXPECT_FALSE(torch::equal(a->parameters()[0], c->parameters()[0]));
}

// As improved-diffusion's zero_module makes it.
TEST(InitializeValues, OfOpenAiLetANewNetworkPredictZero) {
  UNet net = testing::initialized_unet(testing::small_sd1(), 4);
  initialize_weights(*net, Initialization::kOpenai, 1);
  torch::NoGradGuard no_grad;
  const torch::Tensor y = net->forward(torch::randn({1, 4, 8, 8}), torch::tensor({5}),
                                       zero_condition(testing::small_sd1(), 1));
  EXPECT_EQ(y.abs().max().item<double>(), 0);
  const auto parameters = net->named_parameters();
  EXPECT_GT(parameters["mid_block.attentions.0.proj_in.weight"].abs().max().item<double>(), 0);
  EXPECT_EQ(parameters["mid_block.attentions.0.proj_out.weight"].abs().max().item<double>(), 0);
  EXPECT_EQ(parameters["mid_block.resnets.0.conv2.bias"].abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace ddpm
