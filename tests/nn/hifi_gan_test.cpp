#include "ddpm/nn/hifi_gan.h"

#include <gtest/gtest.h>

#include <map>

#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"
#include "support/hifi_gan.h"

namespace ddpm {
namespace {

using Weights = std::map<std::string, torch::Tensor>;

BoundNetwork<HifiGanGenerator> random_generator(const HifiGanConfig& config) {
  BoundNetwork<HifiGanGenerator> network(HifiGanGenerator(config), torch::kFloat32, torch::kCPU);
  initialize_weights(*network.net(), Initialization::kPytorch, 1);
  return network;
}

// The generator written down from the paper, with PyTorch's convolutions along one axis.
class Paper {
 public:
  Paper(const HifiGanConfig& config, const std::vector<NamedTensor>& tensors) : config_(config) {
    for (const auto& [name, tensor] : tensors) weights_[name] = tensor.contiguous();
  }

  torch::Tensor operator()(const torch::Tensor& mel) const {
    torch::Tensor x = convolve("conv_pre", mel, 1);
    const std::size_t branches = config_.resblock_kernel_sizes.size();
    for (std::size_t i = 0; i < config_.upsample_rates.size(); ++i) {
      const std::int64_t rate = config_.upsample_rates[i],
                         kernel = config_.upsample_kernel_sizes[i];
      const std::string name = "ups." + std::to_string(i);
      x = torch::conv_transpose1d(torch::leaky_relu(x, 0.1), weights_.at(name + ".weight"),
                                  weights_.at(name + ".bias"), rate, (kernel - rate) / 2);
      torch::Tensor sum = torch::zeros_like(x);
      for (std::size_t j = 0; j < branches; ++j)
        sum = sum + block("resblocks." + std::to_string(i * branches + j), x,
                          config_.resblock_dilation_sizes[j]);
      x = sum / static_cast<double>(branches);
    }
    return torch::tanh(convolve("conv_post", torch::leaky_relu(x, 0.01), 1)).squeeze(1);
  }

 private:
  torch::Tensor convolve(const std::string& name, const torch::Tensor& x,
                         std::int64_t dilation) const {
    const torch::Tensor& weight = weights_.at(name + ".weight");
    return torch::conv1d(x, weight, weights_.at(name + ".bias"), 1,
                         dilation * (weight.size(2) - 1) / 2, dilation);
  }
  torch::Tensor block(const std::string& name, torch::Tensor x,
                      const std::vector<std::int64_t>& dilations) const {
    const bool two = config_.resblock == HifiGanBlockKind::kTwoConvolutions;
    for (std::size_t i = 0; i < dilations.size(); ++i) {
      const std::string number = "." + std::to_string(i);
      torch::Tensor h = convolve(name + (two ? ".convs1" : ".convs") + number,
                                 torch::leaky_relu(x, 0.1), dilations[i]);
      if (two) h = convolve(name + ".convs2" + number, torch::leaky_relu(h, 0.1), 1);
      x = x + h;
    }
    return x;
  }

  const HifiGanConfig& config_;
  Weights weights_;
};

class HifiGanVersion : public ::testing::TestWithParam<int> {};

// Kong et al., table 1 has 13.92, 0.92 and 1.46 million parameters; these are their exact numbers.
TEST_P(HifiGanVersion, HasThePublishedParameters) {
  const std::map<int, std::pair<std::int64_t, std::size_t>> expected = {
      {1, {13'926'017, 156}}, {2, {925'985, 156}}, {3, {1'462'273, 46}}};
  const BoundNetwork<HifiGanGenerator> network(
      HifiGanGenerator(testing::hifi_gan_config(GetParam())), torch::kFloat32, torch::kCPU);
  EXPECT_EQ(network.layout().parameter_count(), expected.at(GetParam()).first);
  EXPECT_EQ(network.tensors().size(), expected.at(GetParam()).second);
}

TEST_P(HifiGanVersion, ComputesWhatThePaperSays) {
  const HifiGanConfig config = testing::hifi_gan_config(GetParam());
  const BoundNetwork<HifiGanGenerator> network = random_generator(config);
  // Larger weights than PyTorch's, so that every layer matters.
  network.flat().mul_(2);
  torch::manual_seed(3);
  for (const std::int64_t batch : {1, 2}) {
    const torch::Tensor mel = torch::randn({batch, config.mel.bands, 17});
    const torch::Tensor expected = Paper(config, network.tensors())(mel);
    const torch::Tensor sound = network->forward(mel);
    ASSERT_EQ(sound.sizes(), torch::IntArrayRef({batch, 17 * 256}));
    const double error = ((sound - expected).abs().max() / expected.abs().max()).item<double>();
    EXPECT_LT(error, 2e-5);
    EXPECT_GT(expected.std().item<double>(), 1e-3);  // something to compare
  }
}

INSTANTIATE_TEST_SUITE_P(Published, HifiGanVersion, ::testing::Values(1, 2, 3));

TEST(HifiGan, HasTheNamesOfPublishedCheckpoints) {
  const BoundNetwork<HifiGanGenerator> network(HifiGanGenerator(testing::hifi_gan_config(1)),
                                               torch::kFloat32, torch::kCPU);
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& [name, tensor] : network.tensors()) shapes[name] = tensor.sizes().vec();
  EXPECT_EQ(shapes.at("conv_pre.weight"), (std::vector<std::int64_t>{512, 80, 7}));
  EXPECT_EQ(shapes.at("ups.3.weight"), (std::vector<std::int64_t>{64, 32, 4}));
  EXPECT_EQ(shapes.at("resblocks.11.convs2.2.weight"), (std::vector<std::int64_t>{32, 32, 11}));
  EXPECT_EQ(shapes.at("conv_post.bias"), (std::vector<std::int64_t>{1}));
  EXPECT_TRUE(HifiGanGenerator(testing::hifi_gan_config(3))
                  ->named_parameters()
                  .contains("resblocks.8.convs.1.weight"));
}

}  // namespace
}  // namespace ddpm
