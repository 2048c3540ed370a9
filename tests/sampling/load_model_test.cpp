#include "ddpm/sampling/load_model.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "ddpm/io/weights.h"
#include "ddpm/runs/checkpoint_store.h"
#include "support/files.h"
#include "support/fill.h"
#include "support/models.h"
#include "support/networks.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::hash_tensor;
using testing::message_of;

class LoadModelTest : public ::testing::Test {
 protected:
  LoadModelTest() : net_(testing::initialized_unet(testing::tiny(), 1)) {
    config_.model = testing::tiny();
    config_.data.height = config_.data.width = 8;
    config_.data.channels = 1;
    testing::hash_fill(*net_);
  }

  std::vector<NamedTensor> weights(double factor = 1) const {
    std::vector<NamedTensor> tensors;
    for (const auto& item : net_->named_parameters())
      tensors.push_back({item.key(), item.value().detach() * factor});
    return tensors;
  }
  fs::path save(const std::vector<NamedTensor>& tensors) const {
    save_tensors(folder_ / "m.safetensors", tensors, model_metadata(config_));
    return folder_ / "m.safetensors";
  }
  static LoadedModel load(const fs::path& path, std::vector<ConfigOverride> overrides = {}) {
    overrides.push_back({"run.device", "cpu", "--device"});
    return load_model(path, overrides);
  }
  torch::Tensor x() const { return hash_tensor(9, {2, 1, 8, 8}, 3).to(torch::kFloat32); }
  torch::Tensor t() const { return torch::tensor({3, 900}); }
  torch::Tensor expected() {
    torch::NoGradGuard no_grad;
    return net_->forward(x(), t());
  }

  testing::TemporaryFolder folder_;
  Config config_;
  mutable UNet net_;
};

TEST_F(LoadModelTest, PredictsAsTheSavedNetwork) {
  const LoadedModel model = load(save(weights()));
  EXPECT_EQ(model.config.model.base_width, 8);
  EXPECT_EQ(model.sha256.get().size(), 64u);
  const torch::Tensor y = model.predictor()(x(), t(), {});
  EXPECT_FALSE(y.requires_grad());
  EXPECT_TRUE(torch::allclose(y, expected(), 1e-4, 1e-5));
}

TEST_F(LoadModelTest, ThePredictorOutlivesTheModel) {
  const Predictor predictor = load(save(weights())).predictor();
  EXPECT_TRUE(torch::allclose(predictor(x(), t(), {}), expected(), 1e-4, 1e-5));
}

TEST_F(LoadModelTest, TakesOtherFloatTypes) {
  std::vector<NamedTensor> rounded = weights();
  for (NamedTensor& named : rounded) named.tensor = named.tensor.to(torch::kBFloat16);
  const torch::Tensor y = load(save(rounded)).predictor()(x(), t(), {});
  EXPECT_TRUE(torch::allclose(y, expected(), 0.1, 0.1));
  EXPECT_FALSE(torch::equal(y, expected()));
}

TEST_F(LoadModelTest, ComputesInBfloat16IfAsked) {
  const LoadedModel model = load(save(weights()), {{"run.precision", "bf16", "--precision"}});
  const torch::Tensor y = model.predictor()(x(), t(), {});
  EXPECT_EQ(y.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::allclose(y, expected(), 0.1, 0.1));
}

// The precision of the training does not matter; auto is decided for the device in use, before the
// weights are loaded.
TEST_F(LoadModelTest, DecidesThePrecisionForThisDevice) {
  config_.run.precision = Precision::kBf16;
  const fs::path file = save(weights());
  const LoadedModel model = load(file);
  EXPECT_EQ(model.config.run.precision, Precision::kFp32);
  EXPECT_EQ(model.runtime.precision, Precision::kFp32);
  EXPECT_TRUE(contains(model.runtime.precision_reason, "auto")) << model.runtime.precision_reason;
  const LoadedModel asked = load(file, {{"run.precision", "fp32", "--precision"}});
  EXPECT_EQ(asked.runtime.precision_reason, "");
  const std::vector<ConfigOverride> on_cpu = {{"run.device", "cpu", "--device"}};
  const auto refuse = [](const Config& config, const Runtime& runtime) {
    EXPECT_EQ(config.run.precision, runtime.precision);
    EXPECT_EQ(config.data.height, 8);
    throw DeviceError("no");
  };
  EXPECT_EQ(
      message_of<DeviceError>([&] { load_model(file, on_cpu, TensorFit::kExact, refuse); }),
      "no");
}

TEST_F(LoadModelTest, ChoosesTheSetOfWeights) {
  const fs::path checkpoint =
      CheckpointStore(folder_ / "run/checkpoints").save(1, [&](const fs::path& folder) {
        save_tensors(folder / "model.safetensors", weights(0), model_metadata(config_));
        save_tensors(folder / "ema.safetensors", weights(), model_metadata(config_));
        for (const char* name : {"optimizer.safetensors", "state.json"})
          std::ofstream(folder / name) << name;
      });
  EXPECT_GT(load(folder_ / "run").predictor()(x(), t(), {}).abs().max().item<double>(), 0.1);
  const std::vector<ConfigOverride> raw = {{"sampling.weights", "raw", "--weights"}};
  EXPECT_EQ(load(checkpoint, raw).predictor()(x(), t(), {}).abs().max().item<double>(), 0);
}

TEST_F(LoadModelTest, NamesMissingAndMisshapenTensors) {
  std::vector<NamedTensor> tensors = weights();
  tensors.pop_back();  // conv_out.bias
  const fs::path file = save(tensors);
  std::string message = message_of<CheckpointError>([&] { load(file); });
  EXPECT_TRUE(contains(message, file.string())) << message;
  EXPECT_TRUE(contains(message, "missing: conv_out.bias")) << message;
  tensors = weights();
  tensors.front().tensor = torch::zeros({8, 3, 3, 3});
  message = message_of<CheckpointError>([&] { load(save(tensors)); });
  EXPECT_TRUE(contains(message, "conv_in.weight is [8,3,3,3], expected [8,1,3,3]")) << message;
}

TEST_F(LoadModelTest, OverridesAreConfig) {
  const fs::path file = save(weights());
  EXPECT_EQ(load(file, {{"sampling.steps", "7", "--steps"}}).config.sampling.steps, 7);
  EXPECT_TRUE(contains(message_of<ConfigError>([&] {
                         load(file, {{"sampling.stesp", "7", "--set"}});
                       }),
                       "sampling.steps"));
  EXPECT_THROW(load(file, {{"sampling.weights", "best", "--weights"}}), ConfigError);
  // The file's network has another width.
  EXPECT_THROW(load(file, {{"model.base_width", "16", "--set"}}), CheckpointError);
}

TEST_F(LoadModelTest, WhatIsNoModelIsNamed) {
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { load(folder_ / "none"); }), "none"));
  EXPECT_THROW(load(folder_.path()), CheckpointError);
}

}  // namespace
}  // namespace ddpm
