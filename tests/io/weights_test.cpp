#include "ddpm/io/weights.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/fill.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

class WeightsTest : public ::testing::Test {
 protected:
  fs::path file() const { return folder_ / "w.safetensors"; }
  void save(const std::vector<NamedTensor>& tensors) { save_tensors(file(), tensors); }
  void load(const std::vector<NamedTensor>& targets) const {
    load_tensors(SafetensorsFile(file()), targets);
  }
  torch::Tensor read(const std::string& name) const {
    return to_tensor(SafetensorsFile(file()).get(name));
  }

  TemporaryFolder folder_;
};

TEST_F(WeightsTest, KeepsEveryType) {
  const torch::Tensor values = torch::tensor({0.0, 1.0, -2.5, 1000.0, 0.0, 3.0}).view({2, 3});
  for (const torch::Dtype dtype :
       {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64,
        torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    const torch::Tensor tensor = values.to(torch::kInt64).to(dtype);
    save({{"x", tensor}});
    EXPECT_EQ(read("x").scalar_type(), dtype);
    EXPECT_TRUE(torch::equal(read("x"), tensor)) << c10::toString(dtype);
  }
  EXPECT_THROW(save({{"x", values.to(torch::kComplexFloat)}}), CheckpointError);
}

TEST_F(WeightsTest, KeepsBitsOfSpecialNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const torch::Tensor special = torch::tensor({nan, inf, -inf, -0.0f, 1e-45f, 3.4e38f});
  save({{"x", special}});
  EXPECT_TRUE(torch::equal(read("x").view(torch::kInt32), special.view(torch::kInt32)));
}

TEST_F(WeightsTest, KeepsEmptyAndScalarTensors) {
  save({{"empty", torch::empty({0, 3})}, {"scalar", torch::tensor(2.5f)}});
  EXPECT_EQ(read("empty").sizes(), torch::IntArrayRef({0, 3}));
  EXPECT_EQ(read("scalar").dim(), 0);
  EXPECT_EQ(read("scalar").item<float>(), 2.5f);
}

TEST_F(WeightsTest, WritesRowMajorWhateverTheStrides) {
  const torch::Tensor x = testing::hash_tensor(1, {2, 3, 4, 5}, 1).to(torch::kFloat32);
  save({{"channels_last", x.contiguous(torch::MemoryFormat::ChannelsLast)},
        {"part", x.narrow(1, 1, 2)},
        {"transposed", x[0][0].t()},
        {"expanded", torch::tensor({7.0f}).expand({3})}});
  const SafetensorsFile written(file());
  const auto* data = reinterpret_cast<const float*>(written.get("channels_last").bytes.data());
  for (std::uint64_t j = 0; j < 120; ++j)
    ASSERT_EQ(data[j], static_cast<float>(testing::hash_value(1, j))) << j;
  const auto* transposed = reinterpret_cast<const float*>(written.get("transposed").bytes.data());
  EXPECT_EQ(written.get("transposed").shape, (std::vector<std::int64_t>{5, 4}));
  EXPECT_EQ(transposed[1], static_cast<float>(testing::hash_value(1, 5)));
  EXPECT_TRUE(torch::equal(read("part"), x.narrow(1, 1, 2)));
  EXPECT_TRUE(torch::equal(read("expanded"), torch::full({3}, 7.0f)));
}

TEST_F(WeightsTest, WritesParametersAndIgnoresTheOrder) {
  const torch::Tensor a = torch::rand({3}).requires_grad_(), b = torch::rand({2, 2});
  save({{"a", a}, {"b", b}});
  const std::string bytes = testing::content_of(file());
  save({{"b", b}, {"a", a}});
  EXPECT_EQ(testing::content_of(file()), bytes);
}

TEST_F(WeightsTest, LoadsIntoViewsConvertingFloats) {
  const torch::Tensor x = testing::hash_tensor(2, {2, 3, 2, 2}, 1).to(torch::kFloat32);
  save({{"x", x}, {"n", torch::tensor({1, 2})}});
  const torch::Tensor flat = torch::zeros({30}, torch::kBFloat16);
  const torch::Tensor view = flat.as_strided({2, 3, 2, 2}, {12, 1, 6, 3}, 4);
  const torch::Tensor n = torch::zeros({2}, torch::kInt64);
  load({{"n", n}, {"x", view}});
  EXPECT_TRUE(torch::equal(view, x.to(torch::kBFloat16)));
  EXPECT_EQ(flat[0].item<float>(), 0);
  EXPECT_EQ(flat[28].item<float>(), 0);
  EXPECT_TRUE(torch::equal(n, torch::tensor({1, 2})));
}

TEST_F(WeightsTest, NamesEveryMisfitAndTouchesNothing) {
  save({{"same", torch::ones({2})},
        {"extra.weight", torch::ones({2})},
        {"shape", torch::ones({2, 3})},
        {"type", torch::ones({2}, torch::kInt64)}});
  const torch::Tensor same = torch::zeros({2}), shape = torch::zeros({3, 2}),
                      type = torch::zeros({2}), absent = torch::zeros({1});
  const std::vector<NamedTensor> targets = {
      {"same", same}, {"shape", shape}, {"type", type}, {"absent.bias", absent}};
  const std::string message = message_of<CheckpointError>([&] { load(targets); });
  for (const std::string& part :
       {file().string() + ": 4 of its tensors", std::string("missing: absent.bias"),
        std::string("unexpected: extra.weight"),
        std::string("wrong shape: shape is [2,3], expected [3,2]"),
        std::string("wrong type: type is I64")})
    EXPECT_TRUE(contains(message, part)) << message;
  EXPECT_EQ(same.sum().item<float>(), 0);
}

TEST_F(WeightsTest, OneMisfitIsEnough) {
  save({{"a", torch::ones({2})}, {"b", torch::ones({2})}});
  const torch::Tensor a = torch::zeros({2}), b = torch::zeros({2}), c = torch::zeros({2});
  EXPECT_THROW(load({{"a", a}}), CheckpointError);
  EXPECT_THROW(load({{"a", a}, {"b", b}, {"c", c}}), CheckpointError);
  EXPECT_THROW(load({{"a", a}, {"b", torch::zeros({2, 1})}}), CheckpointError);
  EXPECT_THROW(load({{"a", a}, {"B", b}}), CheckpointError);
  EXPECT_EQ(a.sum().item<float>(), 0);
  load({{"a", a}, {"b", b}});
  EXPECT_EQ(a.sum().item<float>(), 2);
}

TEST_F(WeightsTest, ALongListOfMisfitsIsCut) {
  save({{"x", torch::ones({1})}});
  std::vector<NamedTensor> targets;
  for (int i = 0; i < 500; ++i) targets.push_back({"layer." + std::to_string(i), torch::ones({1})});
  const std::string message = message_of<CheckpointError>([&] { load(targets); });
  EXPECT_TRUE(contains(message, "501 of its tensors")) << message;
  EXPECT_TRUE(contains(message, "and 493 more")) << message;
  EXPECT_LT(message.size(), 1000u);
}

TEST_F(WeightsTest, ReadTensorsDoNotNeedTheFile) {
  save({{"x", torch::ones({3})}});
  const torch::Tensor x = read("x");  // the file is no longer mapped
  x.add_(1);
  EXPECT_EQ(x.sum().item<float>(), 6);
  EXPECT_EQ(read("x").sum().item<float>(), 3);
}

TEST_F(WeightsTest, AFailedSaveLeavesTheOldFile) {
  save({{"x", torch::ones({3})}});
  EXPECT_THROW(save({{"x", torch::zeros({1})}, {"x", torch::zeros({1})}}), CheckpointError);
  EXPECT_EQ(read("x").sum().item<float>(), 3);
  EXPECT_THROW(save_tensors(folder_ / "no/such/folder.safetensors", {{"x", torch::ones({1})}}),
               IoError);
}

}  // namespace
}  // namespace ddpm
