// Trains, stops, resumes and samples, with a network that trains in milliseconds.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "ddpm/base/format.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "ddpm/metrics/jsonl.h"
#include "ddpm/metrics/tensorboard.h"
#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::content_of;
using testing::Program;
using testing::ProgramResult;
using testing::run_program;

constexpr const char* kConfig = R"({
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true], "groups": 4, "final_groups": 4},
  "diffusion": {"timesteps": 20},
  "data": {"source": "embedded"},
  "training": {"steps": 12, "batch_size": 4, "warmup_steps": 5, "ema_decay": 0.9, "log_every": 1, "sample_every": 0, "sample_count": 4,
               "sample_steps": 5, "checkpoint_every": 0}
})";

class Training : public ::testing::Test {
 protected:
  Training() { std::ofstream(folder_.path() / "tiny.json") << kConfig; }

  ProgramResult train(const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"train", "--config", "tiny.json", "--set",
                                          "run.name=" + name};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(folder_.path(), arguments);
  }
  std::filesystem::path run(const std::string& name) const {
    return folder_.path() / "runs" / name;
  }
  std::filesystem::path checkpoint(const std::string& name, const std::string& step) const {
    return run(name) / "checkpoints" / ("step_" + step);
  }

  void expect_equal_checkpoints(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      ASSERT_FALSE(content_of(a / file).empty());
      EXPECT_EQ(content_of(a / file), content_of(b / file)) << file;
    }
  }

  // The contents of the run's event files.
  std::vector<std::string> events(const std::string& name) {
    std::vector<std::string> contents;
    for (const auto& entry : std::filesystem::directory_iterator(run(name)))
      if (is_tensorboard_file(entry.path())) contents.push_back(content_of(entry.path()));
    return contents;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Training, WritesEventsForTensorboardUnlessItIsToldNotTo) {
  ASSERT_EQ(train("a", {"--set", "training.sample_every=12"}).code, 0);
  ASSERT_EQ(events("a").size(), 1u);
  for (const char* part :
       {"brain.Event:2", "config", "learning_rate", "grad_norm", "samples", "\x89PNG\r\n"})
    EXPECT_TRUE(testing::contains(events("a")[0], part)) << part;
  ASSERT_EQ(train("b", {"--set", "run.tensorboard=false"}).code, 0);
  EXPECT_TRUE(events("b").empty());
}

TEST_F(Training, FillsTheRunDirectory) {
  const ProgramResult result =
      train("a", {"--set", "training.sample_every=6", "--set", "training.checkpoint_every=6"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "runs/a\n");
  for (const char* file :
       {"config.json", "environment.json", "metrics.jsonl", "train.log", "loss.png",
        "samples/step_00000006.png", "samples/step_00000012.png",
        "checkpoints/step_00000006/MANIFEST.json", "checkpoints/step_00000012/state.json"})
    EXPECT_TRUE(std::filesystem::exists(run("a") / file)) << file;
  EXPECT_EQ(content_of(run("a") / "checkpoints/latest"), "step_00000012\n");
  const auto metrics = read_metrics(run("a") / "metrics.jsonl");
  ASSERT_EQ(metrics.size(), 12u);
  for (const char* key :
       {"step", "images", "loss", "grad_norm", "lr", "images_per_second", "elapsed_s", "saving_s"})
    EXPECT_FALSE(std::isnan(metric_number(metrics[3], key))) << key;
  EXPECT_EQ(metric_number(metrics[5], "saving_s"), 0);  // the save of step 6 comes after its line
  EXPECT_GT(metric_number(metrics[6], "saving_s"), 0);
  EXPECT_EQ(metric_number(metrics[3], "images"), 16);
  EXPECT_NEAR(metric_number(metrics[0], "lr"), 2e-4 / 5, 1e-12);
  EXPECT_NEAR(metric_number(metrics[0], "loss"), 1, 0.35);  // a fresh network predicts zero
  EXPECT_EQ(run_program(folder_.path(), {"config", "check", "--config", "runs/a/config.json"}).code,
            0);
}

TEST_F(Training, ResumesExactlyAfterKill) {
  ASSERT_EQ(train("straight").code, 0);
  for (const char* step : {"00000001", "00000005", "00000008"}) {
    const std::string name = std::string("killed_") + step;
    std::vector<std::string> arguments = {"train",
                                          "--config",
                                          "tiny.json",
                                          "--set",
                                          "run.name=" + name,
                                          "--set",
                                          "training.checkpoint_every=1"};
    Program program(folder_.path(), arguments);
    program.wait_until([&] { return std::filesystem::exists(checkpoint(name, step)); });
    program.send(SIGKILL);
    program.wait();
    const ProgramResult resumed = train(name, {"--resume", "auto"});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    expect_equal_checkpoints(checkpoint("straight", "00000012"), checkpoint(name, "00000012"));
    EXPECT_EQ(read_metrics(run(name) / "metrics.jsonl").size(), 12u);
  }
}

TEST_F(Training, ResumesExactlyWithGradientAccumulation) {
  const std::vector<std::string> accumulate = {"--set", "training.micro_batches=2"};
  ASSERT_EQ(train("straight", accumulate).code, 0);
  ASSERT_EQ(train("parts", {"--set", "training.micro_batches=2", "--set", "training.steps=7"}).code,
            0);
  ASSERT_EQ(train("parts", {"--set", "training.micro_batches=2", "--resume", "latest"}).code, 0);
  expect_equal_checkpoints(checkpoint("straight", "00000012"), checkpoint("parts", "00000012"));
}

TEST_F(Training, SavesACheckpointOnSigterm) {
  Program program(folder_.path(), {"train", "--config", "tiny.json", "--set", "run.name=stopped",
                                   "--set", "training.steps=1000000"});
  program.wait_until([&] {
    return std::filesystem::exists(run("stopped") / "metrics.jsonl") &&
           !read_metrics(run("stopped") / "metrics.jsonl").empty();
  });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143);
  EXPECT_NE(result.err.find("--resume auto"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(run("stopped") / "checkpoints/latest"));
  const auto metrics = read_metrics(run("stopped") / "metrics.jsonl");
  EXPECT_EQ(train("stopped",
                  {"--resume", "auto", "--set",
                   format_text("training.steps={:.0f}", metric_number(metrics.back(), "step") + 2)})
                .code,
            0);
}

TEST_F(Training, RefusesAnExistingRun) {
  ASSERT_EQ(train("a").code, 0);
  const ProgramResult again = train("a");
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("--resume auto"), std::string::npos);
  EXPECT_EQ(train("a", {"--overwrite"}).code, 0);
  EXPECT_EQ(read_metrics(run("a") / "metrics.jsonl").size(), 12u);
}

TEST_F(Training, RefusesToResumeAnotherNetwork) {
  ASSERT_EQ(train("a").code, 0);
  const ProgramResult result =
      train("a", {"--resume", "auto", "--set", "model.blocks_per_level=2"});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("model.blocks_per_level: 1 in the checkpoint, 2 now"),
            std::string::npos)
      << result.err;
}

TEST_F(Training, AMissingCheckpointIsNeverAFreshStart) {
  EXPECT_EQ(train("none", {"--resume", "latest"}).code, 4);
  EXPECT_EQ(train("none", {"--resume", "nowhere/step_00000001"}).code, 4);
  EXPECT_FALSE(std::filesystem::exists(run("none")));
  EXPECT_EQ(train("none", {"--resume", "auto"}).code, 0);
}

TEST_F(Training, FallsBackFromADamagedCheckpoint) {
  ASSERT_EQ(train("a", {"--set", "training.checkpoint_every=6"}).code, 0);
  std::fstream file(checkpoint("a", "00000012") / "model.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5000);
  file.put('!');
  file.close();
  const ProgramResult result = train("a", {"--resume", "auto"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.err.find("damaged"), std::string::npos);
  EXPECT_NE(result.err.find("at step 6"), std::string::npos) << result.err;
}

TEST_F(Training, DryRunWritesNothing) {
  const ProgramResult result = train("a", {"--dry-run"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* row : {"parameters", "peak memory", "checkpoint on disk", "time for all steps"})
    EXPECT_NE(result.out.find(row), std::string::npos) << row;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "runs"));
}

// Reading a cache that is there is no harm.
TEST_F(Training, DryRunWritesNoCacheEither) {
  std::filesystem::create_directory(folder_.path() / "images");
  std::filesystem::copy_file(std::filesystem::path(DDPM_SOURCE_DIR) / "docs/images/quickstart.png",
                             folder_.path() / "images/a.png");
  const std::vector<std::string> settings = {
      "--set", "data.source=folder", "--set", "data.path=images",
      "--set", "data.height=16",     "--set", "data.cache=cached"};
  std::vector<std::string> dry = settings;
  dry.emplace_back("--dry-run");
  const ProgramResult result = train("a", dry);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("data: 1 image of 16x16 pixels and "), std::string::npos) << result.err;
  EXPECT_NE(result.out.find("mean loss of two steps"), std::string::npos) << result.out;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "cached"));
  ASSERT_EQ(train("a", settings).code, 0);
  EXPECT_NE(train("a", dry).err.find("images come from the cache"), std::string::npos);
}

TEST_F(Training, BadConfigsWriteNothing) {
  EXPECT_EQ(train("a", {"--set", "training.batchsize=3"}).code, 2);
  EXPECT_EQ(train("a", {"--set", "training.batch_size=many"}).code, 2);
  EXPECT_EQ(train("a", {"--device", "cuda:99"}).code, 1);
  EXPECT_EQ(train("a", {"--set", "data.source=folder", "--set", "data.path=nowhere", "--set",
                        "data.height=8"})
                .code,
            3);
  const ProgramResult size = train("a", {"--set", "model.width_multipliers=[1,1,1,1,1,1]", "--set",
                                         "model.attention=[false,false,false,false,false,false]"});
  EXPECT_EQ(size.code, 2) << size.err;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "runs"));
}

class Sampling : public Training {
 protected:
  Sampling() { EXPECT_EQ(train("a").code, 0); }

  ProgramResult sample(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(folder_.path(), arguments);
  }
};

TEST_F(Sampling, TakesTheNewestRunAndDescribesItsImages) {
  const ProgramResult result = sample({"--count", "2", "--seed", "7", "--steps", "5"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "samples/000000.png\nsamples/000001.png\n");
  EXPECT_NE(result.err.find("runs/a"), std::string::npos);
  EXPECT_NE(result.err.find("fixed_small instead"), std::string::npos);  // five of twenty steps
  PngText text = read_png_text(folder_.path() / "samples/000001.png");
  const auto value = [&](const std::string& key) {
    for (const auto& [name, content] : text)
      if (name == key) return content;
    return std::string("missing");
  };
  EXPECT_EQ(value("seed"), "7");
  EXPECT_EQ(value("index"), "1");
  EXPECT_EQ(value("sampler"), "ddpm");
  EXPECT_EQ(value("steps"), "5");
  EXPECT_EQ(value("model_sha256").size(), 64u);
}

std::vector<float> values(const std::filesystem::path& file, const std::string& name) {
  const SafetensorsFile tensors(file);
  const TensorView& view = tensors.get(name);
  const auto* data = reinterpret_cast<const float*>(view.bytes.data());
  return {data, data + view.bytes.size() / sizeof(float)};
}

TEST_F(Sampling, ImageIDependsOnSeedAndIndexAlone) {
  ASSERT_EQ(sample({"--count", "7", "--batch-size", "7", "--format", "safetensors", "--output",
                    "all.safetensors"})
                .code,
            0);
  ASSERT_EQ(sample({"--count", "5", "--batch-size", "2", "--format", "safetensors", "--output",
                    "some.safetensors"})
                .code,
            0);
  const std::vector<float> all = values(folder_.path() / "all.safetensors", "images"),
                           some = values(folder_.path() / "some.safetensors", "images");
  ASSERT_EQ(all.size() / 7, some.size() / 5);
  for (std::size_t i = 0; i < some.size(); ++i) ASSERT_NEAR(all[i], some[i], 1e-4);
}

TEST_F(Sampling, RepeatsItselfByteForByte) {
  ASSERT_EQ(sample({"--count", "4", "--grid", "--output", "one.png"}).code, 0);
  ASSERT_EQ(sample({"--count", "4", "--grid", "--output", "two.png"}).code, 0);
  EXPECT_EQ(content_of(folder_.path() / "one.png"), content_of(folder_.path() / "two.png"));
  ASSERT_EQ(sample({"--count", "4", "--grid", "--weights", "raw", "--output", "raw.png"}).code, 0);
  EXPECT_NE(content_of(folder_.path() / "one.png"), content_of(folder_.path() / "raw.png"));
}

TEST_F(Sampling, StartsFromGivenNoise) {
  ASSERT_EQ(sample({"--count", "3", "--format", "safetensors", "--output", "a.safetensors",
                    "--trajectory"})
                .code,
            0);
  const SafetensorsFile trajectory(folder_.path() / "a.safetensors");
  EXPECT_EQ(trajectory.get("trajectory").shape[0], 20);
  EXPECT_EQ(trajectory.get("timesteps").shape[0], 20);
  const TensorView& images = trajectory.get("images");
  std::vector<TensorView> noise = {{"noise", DType::kF32, images.shape, images.bytes}};
  write_safetensors(folder_.path() / "noise.safetensors", noise);
  ASSERT_EQ(sample({"--noise", "noise.safetensors", "--format", "safetensors", "--output",
                    "b.safetensors"})
                .code,
            0);
  EXPECT_NE(values(folder_.path() / "a.safetensors", "images"),
            values(folder_.path() / "b.safetensors", "images"));
  std::vector<TensorView> wrong = {{"noise",
                                    DType::kF32,
                                    {1, 1, 1, static_cast<std::int64_t>(images.bytes.size() / 4)},
                                    images.bytes}};
  write_safetensors(folder_.path() / "wrong.safetensors", wrong);
  EXPECT_EQ(sample({"--noise", "wrong.safetensors"}).code, 3);
}

TEST_F(Sampling, WhatIsNoModelIsExitCodeFour) {
  std::ofstream(folder_.path() / "text.safetensors") << "not a model";
  std::filesystem::create_directory(folder_.path() / "empty");
  for (const char* path : {"text.safetensors", "empty", "nowhere", "tiny.json"}) {
    const ProgramResult result = sample({"--model", path});
    EXPECT_EQ(result.code, 4) << path;
    EXPECT_NE(result.err.find(path), std::string::npos) << result.err;
  }
}

TEST_F(Sampling, DenoiseEvaluatesTheNetworkOnce) {
  const std::vector<float> x(2 * 256, 0.5f);
  const std::vector<std::int64_t> t = {3, 19};
  const auto info = run_program(folder_.path(), {"inspect", "runs/a", "--json"});
  ASSERT_EQ(info.code, 0) << info.err;
  std::vector<TensorView> input = {
      {"sample", DType::kF32, {2, 1, 16, 16}, std::as_bytes(std::span(x))},
      {"timestep", DType::kI64, {2}, std::as_bytes(std::span(t))}};
  write_safetensors(folder_.path() / "in.safetensors", input);
  const ProgramResult result = run_program(
      folder_.path(),
      {"denoise", "--model", "runs/a", "--input", "in.safetensors", "--output", "out.safetensors"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(SafetensorsFile(folder_.path() / "out.safetensors").get("prediction").shape,
            (std::vector<std::int64_t>{2, 1, 16, 16}));
}

TEST_F(Sampling, InspectNamesParametersAndTensors) {
  const ProgramResult result = run_program(folder_.path(), {"inspect", "runs/a", "--tensors"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("conv_in.weight F32 [8,1,3,3]"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace ddpm
