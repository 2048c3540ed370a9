#include "ddpm/io/hifi_gan_file.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/hifi_gan.h"
#include "ddpm/nn/initialize.h"
#include "support/files.h"
#include "support/hifi_gan.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::message_of;
using testing::TemporaryFolder;

std::vector<NamedTensor> random_weights() {
  const BoundNetwork<HifiGanGenerator> network(HifiGanGenerator(testing::hifi_gan_config(3)),
                                               torch::kFloat32, torch::kCPU);
  initialize_weights(*network.net(), Initialization::kPytorch, 5);
  return network.tensors();
}

std::string config_text() { return content_of(testing::hifi_gan_path(3)); }

torch::Tensor tensor(const TensorSet& set, const char* name) { return to_tensor(*set.find(name)); }

TEST(WeightNorm, IsLengthTimesDirection) {
  torch::manual_seed(1);
  const torch::Tensor g = torch::rand({6, 1, 1}) + 0.5, v = torch::randn({6, 4, 3});
  for (const auto& [g_name, v_name] :
       {std::pair("a.weight_g", "a.weight_v"),
        std::pair("a.parametrizations.weight.original0", "a.parametrizations.weight.original1")}) {
    const TensorSet plain = without_weight_norm(
        to_tensor_set({{g_name, g}, {v_name, v}, {"a.bias", torch::ones({6})}}));
    ASSERT_EQ(plain.tensors.size(), 2U);
    const torch::Tensor v64 = v.to(torch::kFloat64);
    const torch::Tensor expected =
        g.to(torch::kFloat64) * v64 / v64.square().sum({1, 2}, true).sqrt();
    EXPECT_TRUE(torch::allclose(tensor(plain, "a.weight").to(torch::kFloat64), expected, 1e-6, 0));
    EXPECT_TRUE(tensor(plain, "a.bias").equal(torch::ones({6})));
  }
}

TEST(WeightNorm, OfZerosIsZero) {
  const TensorSet plain = without_weight_norm(to_tensor_set(
      {{"a.weight_g", torch::zeros({2, 1, 1})}, {"a.weight_v", torch::zeros({2, 3, 1})}}));
  EXPECT_TRUE(tensor(plain, "a.weight").equal(torch::zeros({2, 3, 1})));
}

TEST(WeightNorm, IsAddedAndRemovedWithoutChangingABit) {
  const TensorSet weights = to_tensor_set(random_weights());
  const TensorSet with = with_weight_norm(weights);
  EXPECT_EQ(with.tensors.size(), 69U);  // as the published checkpoint of version 3
  EXPECT_EQ(with.find("ups.0.weight_g")->shape, (std::vector<std::int64_t>{256, 1, 1}));
  const TensorSet again = without_weight_norm(with);
  ASSERT_EQ(again.tensors.size(), weights.tensors.size());
  for (const TensorView& view : weights.tensors)
    EXPECT_TRUE(std::ranges::equal(again.find(view.name)->bytes, view.bytes)) << view.name;
}

TEST(WeightNorm, OfOtherShapesIsRefused) {
  const TensorSet set = to_tensor_set(
      {{"a.weight_g", torch::zeros({3, 1, 1})}, {"a.weight_v", torch::zeros({2, 3, 1})}});
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { without_weight_norm(set); }),
                       "a.weight_g and a.weight_v do not fit each other"));
}

TEST(HifiGanFile, IsFoundByFolderFileOrConfig) {
  const TemporaryFolder folder;
  save_tensors(folder / "g_00000002", random_weights());
  save_tensors(folder / "g_00000010", random_weights());
  save_tensors(folder / "do_00000010", random_weights());
  folder.write("config_v3.json", config_text());
  folder.write("tokens.json", "{}");
  for (const auto& path : {folder.path(), folder / "config_v3.json"})
    EXPECT_EQ(open_hifi_gan(path).weights, folder / "g_00000010");
  EXPECT_EQ(open_hifi_gan(folder / "g_00000002").weights, folder / "g_00000002");
  EXPECT_EQ(hifi_gan_config_of(folder.path()).channels, 256);
}

TEST(HifiGanFile, IsFoundBelowPrefixes) {
  const TemporaryFolder folder;
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& one : random_weights())
    tensors.push_back({"generator.module." + one.name, one.tensor});
  tensors.push_back({"discriminator.conv.weight", torch::zeros({1})});
  save_tensors(folder / "model.safetensors", tensors);
  folder.write("config.json", config_text());
  const HifiGanFile file = open_hifi_gan(folder.path());
  EXPECT_EQ(file.tensors.tensors.size(), 46U);
  EXPECT_NE(file.tensors.find("conv_pre.weight"), nullptr);
}

TEST(HifiGanFile, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  const auto refusal = [](const auto& path) {
    return message_of<CheckpointError>([&] { open_hifi_gan(path); });
  };
  EXPECT_TRUE(contains(refusal(folder / "none"), "no such file or folder"));
  EXPECT_TRUE(contains(refusal(folder.path()), "there is no config of HiFi-GAN in it"));
  folder.write("config.json", config_text());
  EXPECT_TRUE(contains(refusal(folder.path()), "but no checkpoint of its generator"));
  save_tensors(folder / "a.safetensors", {{"conv.weight", torch::zeros({1})}});
  EXPECT_TRUE(contains(refusal(folder.path()), "there is no generator of HiFi-GAN"));
  save_tensors(folder / "b.pt", {{"conv.weight", torch::zeros({1})}});
  EXPECT_TRUE(contains(refusal(folder.path()), "a.safetensors and b.pt; name one of them"));
}

TEST(HifiGanFile, IsExportedAndReadAgain) {
  const TemporaryFolder folder;
  folder.write("in/config.json", config_text());
  save_tensors(folder / "in/generator.safetensors", random_weights());
  const HifiGanFile file = open_hifi_gan(folder / "in");
  export_hifi_gan(file, HifiGanFormat::kHifiganWeightNorm, folder / "normed");
  export_hifi_gan(open_hifi_gan(folder / "normed"), HifiGanFormat::kHifigan, folder / "plain");
  export_hifi_gan(open_hifi_gan(folder / "plain"), HifiGanFormat::kHifiganWeightNorm,
                  folder / "again");
  EXPECT_EQ(content_of(folder / "normed/model.safetensors"),
            content_of(folder / "again/model.safetensors"));
  EXPECT_EQ(content_of(folder / "normed/config.json"), config_text());
  const TensorSet plain = open_hifi_gan(folder / "plain").tensors;
  for (const NamedTensor& one : random_weights())
    EXPECT_TRUE(to_tensor(*plain.find(one.name)).equal(one.tensor)) << one.name;
}

}  // namespace
}  // namespace ddpm
