// Signals and time limits, in every phase of the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "ddpm/metrics/jsonl.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::Program;
using testing::ProgramResult;

class Interruption : public testing::TinyRun {
 protected:
  // Expects a checkpoint from which another call resumes.
  void expect_resumable() const {
    const ProgramResult resumed =
        run(training({"training.steps=3", "training.sample_every=0"}, {"--resume", "auto"}));
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_TRUE(contains(resumed.err, "resumed from")) << resumed.err;
  }
  bool saves() const {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(checkpoints(), error))
      if (entry.path().filename().string().starts_with(".writing_")) return true;
    return false;
  }
};

// The images are large, so decoding each takes a while.
TEST_F(Interruption, WhileDataIsScanned) {
  const fs::path image = folder_.write("images/0.png", encode_png(Image(4096, 4096, 3, 7)));
  for (int i = 1; i < 500; ++i)
    fs::create_hard_link(image, format_text("{}{}.png", image.string(), i));
  Program program(folder_.path(), training({"data.source=folder", "data.path=images",
                                            "data.height=8", "data.cache=off"}));
  program.wait_until([&] { return contains(program.err(), "device:"); });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(contains(result.err, "interrupted while the images were being read")) << result.err;
  EXPECT_FALSE(trained());
}

TEST_F(Interruption, WhileTraining) {
  for (const auto& [signal, code] :
       {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}, std::pair{SIGHUP, 129}}) {
    fs::remove_all(folder_ / "runs");  // else the file below would be that of the run before
    Program program(folder_.path(), training({"training.steps=1000000"}));
    program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
    program.send(signal);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(contains(result.err, "stopped at step")) << result.err;
    EXPECT_EQ(result.out, "runs/a\n");
    EXPECT_FALSE(fs::exists(folder_ / "runs/a/lock"));
  }
}

// A step with such a large batch takes a while, but a second Ctrl-C does not wait for its end.
TEST_F(Interruption, ASecondInterruptDoesNotWaitForTheStep) {
  Program program(folder_.path(), training({"training.batch_size=4000", "training.steps=100"}));
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  program.send(SIGINT);
  program.wait_until([&] { return !program.handles(SIGINT); });
  program.send(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_TRUE(result.killed) << result.err;
  EXPECT_EQ(result.code, 130);
  EXPECT_FALSE(fs::exists(checkpoints() / "latest"));
}

TEST_F(Interruption, ASecondTerminationWaitsForTheCheckpoint) {
  Program program(folder_.path(), training({"training.batch_size=1000", "training.steps=100"}));
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  program.send(SIGTERM);
  program.wait_until([&] { return saves(); });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_FALSE(result.killed) << result.err;
  EXPECT_EQ(result.code, 143);
  EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
}

TEST_F(Interruption, WhileAPreviewIsDrawn) {
  Program program(folder_.path(),
                  training({"diffusion.timesteps=100000", "training.sample_steps=100000",
                            "training.sample_every=1", "training.checkpoint_every=1"}));
  program.wait_until([&] {
    return fs::exists(folder_ / "runs/a/metrics.jsonl") &&
           fs::file_size(folder_ / "runs/a/metrics.jsonl") > 0;
  });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(fs::exists(checkpoint(1) / "MANIFEST.json")) << result.err;
  EXPECT_FALSE(fs::exists(folder_ / "runs/a/samples"));
}

TEST_F(Interruption, WhileACheckpointIsWritten) {
  Program program(folder_.path(),
                  training({"training.steps=1000000", "training.checkpoint_every=1"}));
  program.wait_until([&] { return saves(); });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_FALSE(saves());
  const auto metrics = read_metrics(folder_ / "runs/a/metrics.jsonl");
  const auto last = static_cast<int>(metric_number(metrics.back(), "step"));
  EXPECT_EQ(testing::content_of(checkpoints() / "latest"), format_text("step_{:08}\n", last));
}

TEST_F(Interruption, WhileSamplingLeavesTheFinishedImages) {
  ASSERT_EQ(train().code, 0);
  Program program(folder_.path(), {"sample", "--model", "runs/a", "--count", "100000",
                                   "--batch-size", "1", "--threads", "1"});
  program.wait_until([&] { return fs::exists(folder_ / "samples/000002.png"); });
  program.send(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130);
  const auto images = std::count(result.out.begin(), result.out.end(), '\n');
  EXPECT_GE(images, 3);
  EXPECT_TRUE(contains(result.err, format_text("{} of 100000 images", images))) << result.err;
  for (std::int64_t i = 0; i < images; ++i)
    EXPECT_EQ(read_image(folder_ / format_text("samples/{:06}.png", i)).width, 16);
}

// All images go to one file, which holds those that were finished.
TEST_F(Interruption, WhileSamplingIntoOneFile) {
  ASSERT_EQ(train().code, 0);
  Program program(folder_.path(),
                  {"sample", "--model", "runs/a", "--count", "100000", "--batch-size", "1",
                   "--threads", "1", "--format", "safetensors", "--progress", "json"});
  const std::regex finished(R"("done":[1-9])");
  program.wait_until([&] { return std::regex_search(program.err(), finished); });
  program.send(SIGHUP);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 129);
  EXPECT_EQ(result.out, "samples.safetensors\n");
  const SafetensorsFile file(folder_ / "samples.safetensors");
  EXPECT_TRUE(
      contains(result.err, format_text("{} of 100000 images", file.get("images").shape.at(0))))
      << result.err;
}

// These commands have nothing to save before they stop.
TEST_F(Interruption, OtherCommandsEndAtOnce) {
  const std::vector<std::vector<std::string>> commands = {
      {"bench", "--config", "tiny.json", "--seconds", "600"},
      training({"training.batch_size=20000"}, {"--dry-run"})};
  for (const auto& command : commands)
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      Program program(folder_.path(), command);
      program.wait_until([&] { return program.handles(SIGUSR1); });
      program.send(signal);
      const ProgramResult result = program.wait();
      EXPECT_TRUE(result.killed) << result.err;
      EXPECT_EQ(result.code, 128 + signal);
    }
}

TEST_F(Interruption, ARequestSavesAndTrainingGoesOn) {
  Program program(folder_.path(), training({"training.steps=1000000"}));
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  for (int saves = 0; saves < 2; ++saves) {
    fs::remove(checkpoints() / "latest");
    program.send(SIGUSR1);
    program.wait_until([&] { return fs::exists(checkpoints() / "latest"); });
    EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
  }
  program.send(SIGKILL);
  EXPECT_EQ(program.wait().code, 128 + SIGKILL);
}

TEST_F(Interruption, ATimeLimitEndsCleanly) {
  const ProgramResult result = run(training({"training.steps=1000000"}, {"--max-minutes", "0.03"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "runs/a\n");
  EXPECT_TRUE(contains(result.err, "--max-minutes: the time is up")) << result.err;
  EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
  EXPECT_EQ(run(training({}, {"--max-minutes", "-1"})).code, 2);
}

TEST_F(Interruption, CheckpointsComeByTimeToo) {
  const ProgramResult result =
      run(training({"training.steps=1000000", "training.checkpoint_minutes=0.002",
                    "training.keep_checkpoints=1000"},
                   {"--max-minutes", "0.05"}));
  ASSERT_EQ(result.code, 0) << result.err;
  std::ptrdiff_t saved = 0;
  for (const auto& entry : fs::directory_iterator(checkpoints())) saved += entry.is_directory();
  EXPECT_GT(saved, 2) << result.err;
  EXPECT_LT(saved, 30) << result.err;
}

// At the end kill -9 stops the first run. Its lock file remains, but does not block the next run.
TEST_F(Interruption, ARunHasOneWriter) {
  Program first(folder_.path(), training({"training.steps=1000000"}));
  first.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  for (const char* option : {"--overwrite", "--resume=auto"}) {
    const fs::path elsewhere = folder_ / "second";  // for its standard output and error
    fs::create_directory(elsewhere);
    const ProgramResult second =
        testing::run_program(elsewhere, {"train", "--config", "../tiny.json", "--set",
                                         "run.directory=../runs", "--set", "run.name=a", option});
    EXPECT_EQ(second.code, 2) << second.err;
    EXPECT_TRUE(contains(second.err, "is in use: process ")) << second.err;
  }
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/metrics.jsonl"));
  first.send(SIGUSR1);
  first.wait_until([&] { return fs::exists(checkpoints() / "latest"); });
  first.send(SIGKILL);
  first.wait();
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/lock"));
  expect_resumable();
}

}  // namespace
}  // namespace ddpm
