#include "ddpm/io/model_file.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/io/weights.h"
#include "ddpm/runs/checkpoint_store.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

class ModelFileTest : public ::testing::Test {
 protected:
  ModelFileTest() {
    config_.run.name = "secret";
    config_.model = testing::tiny();
    config_.diffusion.timesteps = 77;
    config_.data.height = 12;
    config_.data.width = 20;
    config_.data.channels = 3;
    config_.data.range = PixelRange::kUnit;
    config_.data.path = "/home/somebody/pictures";
    config_.training.steps = 5;
  }

  fs::path save_checkpoint(const std::string& run, std::int64_t step, bool average = true) {
    return CheckpointStore(folder_ / run / "checkpoints").save(step, [&](const fs::path& folder) {
      write_weights(folder / "model.safetensors", 1);
      if (average) write_weights(folder / "ema.safetensors", 2);
      for (const char* name : {"optimizer.safetensors", "state.json"})
        std::ofstream(folder / name) << name;
    });
  }
  void write_weights(const fs::path& path, float value) const {
    save_tensors(path, {{"x", torch::full({2}, value)}}, model_metadata(config_));
  }
  std::string error_of(const fs::path& path) const {
    const std::string message =
        message_of<CheckpointError>([&] { open_model(path, WeightSet::kEma); });
    EXPECT_TRUE(contains(message, path.string())) << message;
    return message;
  }
  void expect_config(const Config& config) const {
    EXPECT_EQ(config.model.base_width, 8);
    EXPECT_EQ(config.model.attention, (std::vector<bool>{false, true}));
    EXPECT_EQ(config.diffusion.timesteps, 77);
    EXPECT_EQ(config.data.height, 12);
    EXPECT_EQ(config.data.width, 20);
    EXPECT_EQ(config.data.channels, 3);
    EXPECT_EQ(config.data.range, PixelRange::kUnit);
  }

  TemporaryFolder folder_;
  Config config_;
};

TEST_F(ModelFileTest, MetadataNameTheNetworkAndNothingOfTheRun) {
  const SafetensorsMetadata metadata = model_metadata(config_);
  EXPECT_EQ(metadata.at("format"), "pt");
  const std::string& text = metadata.at("ddpm.config");
  EXPECT_TRUE(contains(text, "\"timesteps\":77"));
  for (const char* private_part : {"secret", "somebody", "training", "seed"})
    EXPECT_FALSE(contains(text, private_part)) << text;
  Config other = config_;
  other.run.name = "other";
  other.training.steps = 9;
  EXPECT_EQ(model_metadata(other), metadata);
}

TEST_F(ModelFileTest, OpensARunDirectory) {
  save_checkpoint("runs/a", 1);
  const fs::path newest = save_checkpoint("runs/a", 2);
  const ModelFile ema = open_model(folder_ / "runs/a", WeightSet::kEma),
                  raw = open_model(folder_ / "runs/a", WeightSet::kRaw);
  EXPECT_EQ(ema.weights, newest / "ema.safetensors");
  EXPECT_EQ(raw.weights, newest / "model.safetensors");
  EXPECT_EQ(ema.sha256(), sha256_file(newest / "ema.safetensors"));
  EXPECT_NE(ema.sha256(), raw.sha256());
  expect_config(ema.config);
}

TEST_F(ModelFileTest, OpensACheckpoint) {
  const fs::path older = save_checkpoint("runs/a", 1);
  save_checkpoint("runs/a", 2);
  EXPECT_EQ(open_model(older, WeightSet::kEma).weights, older / "ema.safetensors");
}

TEST_F(ModelFileTest, TakesRawWeightsWhereThereIsNoAverage) {
  const fs::path checkpoint = save_checkpoint("runs/a", 1, /*average=*/false);
  EXPECT_EQ(open_model(checkpoint, WeightSet::kEma).weights, checkpoint / "model.safetensors");
}

TEST_F(ModelFileTest, PassesOverADamagedCheckpointOfARunButNotANamedOne) {
  const fs::path first = save_checkpoint("runs/a", 1), second = save_checkpoint("runs/a", 2);
  folder_.write(second / "ema.safetensors", "damaged");
  EXPECT_EQ(open_model(folder_ / "runs/a", WeightSet::kEma).weights, first / "ema.safetensors");
  EXPECT_TRUE(contains(error_of(second), "ema.safetensors"));
}

TEST_F(ModelFileTest, OpensASingleFile) {
  write_weights(folder_ / "copied.safetensors", 3);
  const ModelFile model = open_model(folder_ / "copied.safetensors", WeightSet::kRaw);
  EXPECT_EQ(model.weights, folder_ / "copied.safetensors");
  expect_config(model.config);
}

TEST_F(ModelFileTest, OpensABareFileBesideAConfig) {
  const fs::path bare = folder_ / "bare/w.safetensors";
  fs::create_directory(folder_ / "bare");
  save_tensors(bare, {{"x", torch::ones({2})}});
  EXPECT_TRUE(contains(error_of(bare), "its tensors are not those of a known network"));
  folder_.write("bare/config.json", to_json(config_));
  expect_config(open_model(bare, WeightSet::kEma).config);
}

TEST_F(ModelFileTest, ABadConfigIsTheFilesFault) {
  const fs::path bare = folder_ / "w.safetensors";
  save_tensors(bare, {{"x", torch::ones({2})}});
  folder_.write("config.json", R"({"model": {"base_wdith": 3}})");
  const std::string message =
      message_of<CheckpointError>([&] { open_model(bare, WeightSet::kEma); });
  EXPECT_TRUE(contains(message, "model.base_wdith")) << message;
  EXPECT_TRUE(contains(message, (folder_ / "config.json").string())) << message;
  save_tensors(bare, {{"x", torch::ones({2})}}, {{"ddpm.config", "{\"model\": 3}"}});
  EXPECT_TRUE(contains(error_of(bare), "ddpm.config"));
}

TEST_F(ModelFileTest, WhatIsNoModelIsNamed) {
  EXPECT_TRUE(contains(error_of(folder_ / "nowhere"), "no such file"));
  EXPECT_TRUE(contains(error_of(folder_.path()), "there is no model here"));
  error_of(folder_.write("text.safetensors", "not a model"));
  error_of(folder_.write("empty.safetensors", ""));
  fs::create_directories(folder_ / "run/checkpoints");
  EXPECT_TRUE(contains(error_of(folder_ / "run"), "train it first"));
}

TEST_F(ModelFileTest, UnknownLayoutsAreRefusedWithTheKnownOnes) {
  const fs::path file = folder_ / "w.safetensors";
  for (const char* layout : {"keras", "ddpm"}) {
    SafetensorsMetadata metadata = model_metadata(config_);
    metadata.emplace("ddpm.layout", layout);
    save_tensors(file, {{"x", torch::ones({2})}}, metadata);
    EXPECT_EQ(message_of<CheckpointError>([&] { open_model(file, WeightSet::kEma); }),
              std::string("model.names: unknown '") + layout +
                  "'; choose from diffusers, labml, ho, pytorch_ddpm, openai");
  }
}

}  // namespace
}  // namespace ddpm
