#include "ddpm/evaluation/features.h"

#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "ddpm/io/inception_file.h"
#include "ddpm/io/weights.h"
#include "support/files.h"
#include "support/fill.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

// The same as in tests/golden/inception_resize.py.
torch::Tensor image(std::int64_t height, std::int64_t width) {
  const torch::Tensor i = torch::arange(3 * height * width);
  return (i * 2654435761 % 4294967296)
      .div(16777216, "floor")
      .to(torch::kUInt8)
      .view({1, 3, height, width});
}

struct Resized {
  InceptionResize resize;
  std::int64_t height, width;
  std::vector<double> numbers;  // mean, mean absolute value, first and last value
};

TEST(ResizeForInception, EqualsWhatTheProgramsOfTheseNamesDo) {
  const std::vector<Resized> cases = {
      {InceptionResize::kTorchFidelity, 5, 7, {-0.0419230919, 0.29625515, -1, -0.453125}},
      {InceptionResize::kPytorchFid, 5, 7, {-0.0196805958, 0.29535176, -1, -0.450980365}},
      {InceptionResize::kCleanFid, 5, 7, {-0.0229295623, 0.386556928, -1, -0.747479081}},
      {InceptionResize::kTorchFidelity, 310, 400, {-0.00391234223, 0.272422092, -1, -0.661568344}},
      {InceptionResize::kPytorchFid,
       310,
       400,
       {-4.28490376e-06, 0.273476955, -0.782910347, -0.800361753}},
      {InceptionResize::kCleanFid,
       310,
       400,
       {-0.00390654366, 0.256147623, -0.635114074, -0.775989115}},
      {InceptionResize::kTorchFidelity, 299, 299, {-0.00391008047, 0.500001719, -1, 0.8984375}},
      {InceptionResize::kPytorchFid, 299, 299, {-3.83059122e-06, 0.50196251, -1, 0.905882359}},
      {InceptionResize::kCleanFid, 299, 299, {-0.00391008047, 0.500001719, -1, 0.8984375}}};
  for (const Resized& each : cases) {
    SCOPED_TRACE(name_of(each.resize));
    const torch::Tensor resized = resize_for_inception(image(each.height, each.width), each.resize);
    EXPECT_EQ(resized.sizes(), torch::IntArrayRef({1, 3, 299, 299}));
    testing::expect_numbers(resized, each.numbers, 2e-6);
  }
}

// 2 x / sqrt(0.999 + 0.001) - m: the scale of a batch norm moves into the weights.
TEST(ReadInception, JoinsBatchNormsWithTheConvolutionsBeforeThem) {
  const TemporaryFolder folder;
  const torch::Tensor weight = torch::randn({2, 3, 1, 1});
  save_tensors(folder / "a.safetensors",
               {{"module.Conv2d_1a_3x3.conv.weight", weight},
                {"module.Conv2d_1a_3x3.bn.weight", torch::tensor({2.0f, 3.0f})},
                {"module.Conv2d_1a_3x3.bn.bias", torch::tensor({0.5f, -1.0f})},
                {"module.Conv2d_1a_3x3.bn.running_mean", torch::tensor({0.25f, 2.0f})},
                {"module.Conv2d_1a_3x3.bn.running_var", torch::tensor({0.999f, 3.999f})},
                {"module.fc.weight", torch::ones({1008, 4})},
                {"module.fc.bias", torch::ones({1008})}});
  const TensorSet set = read_inception(folder / "a.safetensors");
  ASSERT_EQ(set.tensors.size(), 3);
  const torch::Tensor bias = to_tensor(*set.find("Conv2d_1a_3x3.bias"));
  EXPECT_NEAR(bias[0].item<float>(), 0.5 - 0.25 * 2, 1e-6);
  EXPECT_NEAR(bias[1].item<float>(), -1 - 2 * 1.5, 1e-6);
  const torch::Tensor expected = weight * torch::tensor({2.0f, 1.5f}).view({2, 1, 1, 1});
  EXPECT_TRUE(torch::allclose(to_tensor(*set.find("Conv2d_1a_3x3.weight")), expected, 1e-6));
}

TEST(ReadInception, RefusesOtherNetworks) {
  const TemporaryFolder folder;
  save_tensors(folder / "other.safetensors", {{"conv_in.weight", torch::ones({2})}});
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { read_inception(folder / "other.safetensors"); }),
               "there is no Inception-v3"));
  save_tensors(folder / "torchvision.safetensors",
               {{"Conv2d_1a_3x3.conv.weight", torch::ones({2, 3, 1, 1})},
                {"fc.weight", torch::ones({1000, 4})}});
  EXPECT_TRUE(contains(
      message_of<CheckpointError>([&] { read_inception(folder / "torchvision.safetensors"); }),
      "torchvision's Inception-v3 of 1000 classes"));
  save_tensors(folder / "cut.safetensors",
               {{"Conv2d_1a_3x3.conv.weight", torch::ones({2, 3, 1, 1})},
                {"fc.weight", torch::ones({1008, 4})}});
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { read_inception(folder / "cut.safetensors"); }),
               "'Conv2d_1a_3x3.bn.running_var' is missing"));
}

// A program whose source is `forward`, saved as torch.jit.save does.
std::filesystem::path script(const TemporaryFolder& folder, const std::string& forward) {
  torch::jit::Module program("Program");
  program.define(forward);
  program.save((folder / "program.ts").string());
  return folder / "program.ts";
}

FeatureExtractor open(const std::filesystem::path& file) {
  return open_features(file, InceptionResize::kTorchFidelity, Runtime{});
}

TEST(OpenFeatures, RunsATorchScriptProgram) {
  const TemporaryFolder folder;
  const FeatureExtractor extractor = open(
      script(folder, "def forward(self, x):\n  return x.to(dtype=6).mean(3).flatten(1, -1)\n"));
  EXPECT_FALSE(extractor.has_logits);
  const torch::Tensor pixels = torch::arange(12, torch::kUInt8).view({2, 1, 2, 3});
  const torch::Tensor expected = torch::tensor({1.0f, 4.0f, 1.0f, 4.0f, 1.0f, 4.0f});
  EXPECT_TRUE(torch::equal(extractor.extract(pixels).features[0], expected));  // grey is repeated
  EXPECT_THROW(extractor.extract(torch::zeros({1, 4, 2, 2}, torch::kUInt8)), DataError);
}

TEST(OpenFeatures, AsksForFeaturesWhereAProgramGivesClassesToo) {
  const TemporaryFolder folder;
  const FeatureExtractor extractor = open(script(
      folder,
      "def forward(self, x, return_features: bool = False):\n"
      "  if return_features:\n    return x.to(dtype=6).flatten(1, -1)\n  return x[:, 0, 0, :1].to(dtype=6)\n"));
  EXPECT_EQ(extractor.extract(torch::zeros({2, 3, 2, 2}, torch::kUInt8)).features.size(1), 12);
}

TEST(OpenFeatures, RefusesProgramsWhoseOutputIsNotARowAnImage) {
  const TemporaryFolder folder;
  const torch::Tensor pixels = torch::zeros({2, 3, 2, 2}, torch::kUInt8);
  EXPECT_TRUE(contains(
      message_of<DataError>([&] {
        open(script(folder, "def forward(self, x):\n  return x.to(dtype=6)\n")).extract(pixels);
      }),
      "its output must have the shape [images,features]"));
  EXPECT_TRUE(contains(
      message_of<DataError>([&] {
        open(script(folder, "def forward(self, x):\n  return x.view([7])\n")).extract(pixels);
      }),
      "this TorchScript program failed on uint8 [2, 3, 2, 2]: RuntimeError: shape '[7]' is invalid"));
}

TEST(OpenFeatures, TellsNetworksApart) {
  const TemporaryFolder a, b;
  const char* forward = "def forward(self, x):\n  return x.to(dtype=6).flatten(1, -1)\n";
  EXPECT_NE(open(script(a, forward)).fingerprint,
            open(script(b, "def forward(self, x):\n  return x.to(dtype=6).flatten(1, -1) + 1\n"))
                .fingerprint);
}

}  // namespace
}  // namespace ddpm
