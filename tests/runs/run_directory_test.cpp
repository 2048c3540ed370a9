#include "ddpm/runs/run_directory.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/training_state.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::message_of;

class RunDirectoryTest : public ::testing::Test {
 protected:
  RunDirectoryTest() {
    config_.run.directory = (folder_ / "runs").string();
    config_.run.name = "a";
  }

  RunDirectory directory() const { return RunDirectory(config_); }
  fs::path save_checkpoint(std::int64_t step) const {
    return CheckpointStore(directory().checkpoints()).save(step, [&](const fs::path& folder) {
      for (const char* name : {"model.safetensors", "optimizer.safetensors"})
        std::ofstream(folder / name) << name;
      write_training_state(folder, {.step = step, .images_seen = step, .config = config_});
    });
  }

  testing::TemporaryFolder folder_;
  Config config_;
};

TEST_F(RunDirectoryTest, LaysOutTheDocumentedFiles) {
  const fs::path run = folder_ / "runs/a";
  EXPECT_EQ(directory().path(), run);
  EXPECT_EQ(run_directory(config_), run);
  EXPECT_EQ(directory().config(), run / "config.json");
  EXPECT_EQ(directory().metrics(), run / "metrics.jsonl");
  EXPECT_EQ(directory().log(), run / "train.log");
  EXPECT_EQ(directory().loss_plot(), run / "loss.png");
  EXPECT_EQ(directory().checkpoints(), run / "checkpoints");
  EXPECT_EQ(directory().samples(10000), run / "samples/step_00010000.png");
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(RunDirectoryTest, MustBeAbsentOrEmpty) {
  directory().require_empty();
  fs::create_directories(directory().path());
  directory().require_empty();
  folder_.write("runs/a/notes.txt", "mine");
  const std::string message = message_of<ConfigError>([&] { directory().require_empty(); });
  for (const char* part : {"runs/a", "--resume auto", "--overwrite", "run.name"})
    EXPECT_TRUE(contains(message, part)) << message;
}

TEST_F(RunDirectoryTest, ClearLeavesWhatIsNotARuns) {
  for (const char* file :
       {"config.json", "environment.json", "metrics.jsonl", "train.log", "loss.png",
        "events.out.tfevents.1700000000.000001.host.7.ddpm", "samples/step_00000001.png",
        "checkpoints/latest", "events.out.tfevents.1700000000.host.7.0", "notes.txt",
        "thesis/chapter1.tex"})
    folder_.write(fs::path("runs/a") / file, "x");
  folder_.write("runs/b/config.json", "x");
  directory().clear();
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(directory().path()))
    left.push_back(entry.path().filename().string());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"events.out.tfevents.1700000000.host.7.0", "notes.txt",
                                            "thesis"}));
  EXPECT_TRUE(fs::exists(folder_ / "runs/b/config.json"));
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/thesis/chapter1.tex"));
}

TEST_F(RunDirectoryTest, FindsTheCheckpointToResume) {
  EXPECT_FALSE(directory().find_checkpoint("auto"));
  EXPECT_THROW(directory().find_checkpoint("latest"), CheckpointError);
  save_checkpoint(5);
  const fs::path newest = save_checkpoint(10);
  EXPECT_EQ(directory().find_checkpoint("auto"), newest);
  EXPECT_EQ(directory().find_checkpoint("latest"), newest);
  const fs::path older = directory().checkpoints() / "step_00000005";
  EXPECT_EQ(directory().find_checkpoint(older.string()), older);
}

TEST_F(RunDirectoryTest, ARunToResumeIsNoCheckpoint) {
  const fs::path checkpoint = save_checkpoint(5);
  for (const fs::path& wish : {directory().path(), directory().checkpoints()}) {
    const std::string message =
        message_of<ConfigError>([&] { directory().find_checkpoint(wish.string()); });
    EXPECT_TRUE(contains(message, checkpoint.string())) << message;
    EXPECT_TRUE(contains(message, "--resume auto")) << message;
  }
}

TEST_F(RunDirectoryTest, FindsTheNewestRun) {
  const fs::path runs = folder_ / "runs";
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { newest_run(runs); }), "no trained run below"));
  config_.run.name = "b";
  save_checkpoint(1);
  config_.run.name = "a";
  save_checkpoint(1);
  config_.run.name = "c";
  save_checkpoint(1);
  folder_.write("runs/d/config.json", "{}");
  const auto now = fs::file_time_type::clock::now();
  for (const auto& [name, age] : {std::pair{"a", 3}, {"b", 1}, {"c", 2}})
    fs::last_write_time(runs / name / "checkpoints/latest", now - std::chrono::hours(age));
  EXPECT_EQ(newest_run(runs), runs / "b");
}

TEST_F(RunDirectoryTest, AnExplicitCheckpointMustBeWhole) {
  const fs::path checkpoint = save_checkpoint(5);
  EXPECT_THROW(directory().find_checkpoint((folder_ / "nowhere").string()), CheckpointError);
  EXPECT_THROW(directory().find_checkpoint(""), CheckpointError);
  folder_.write(checkpoint / "state.json", "{}");
  EXPECT_TRUE(contains(
      message_of<CheckpointError>([&] { directory().find_checkpoint(checkpoint.string()); }),
      "state.json"));
}

TEST_F(RunDirectoryTest, DescribesItself) {
  directory().write_description(config_, {.command_line = "ddpm train --config \"x y.json\"",
                                          .device = "an abacus",
                                          .data_source = "thin air",
                                          .data_images = 1,
                                          .data_fingerprint = std::string(64, 'f')});
  EXPECT_EQ(to_json(load_config(directory().config(), {}).config), to_json(config_));
  const auto environment =
      nlohmann::json::parse(content_of(directory().path() / "environment.json"));
  EXPECT_EQ(environment.at("command_line"), "ddpm train --config \"x y.json\"");
  EXPECT_EQ(environment.at("device"), "an abacus");
  EXPECT_EQ(environment.at("data_source"), "thin air");
  EXPECT_EQ(environment.at("data_images"), 1);
  EXPECT_EQ(environment.at("data_fingerprint"), std::string(64, 'f'));
  for (const char* key : {"started", "program", "git_revision", "libtorch", "cuda", "compiler"})
    EXPECT_FALSE(environment.at(key).get<std::string>().empty()) << key;
}

TEST_F(RunDirectoryTest, OnlyFreeKeysMayChangeOnResume) {
  const TrainingState checkpoint = read_training_state(save_checkpoint(5));
  check_resumable(checkpoint, config_, "");
  Config free = config_;
  free.run.name = "b";
  free.training.steps *= 2;
  free.training.learning_rate /= 2;
  free.training.checkpoint_every = 7;
  check_resumable(checkpoint, free, "");
  Config frozen = free;
  frozen.model.dropout = 0.25;
  frozen.diffusion.timesteps = 500;
  frozen.run.seed = 8;
  const std::string message =
      message_of<ConfigError>([&] { check_resumable(checkpoint, frozen, ""); });
  for (const char* part : {"model.dropout: 0.1 in the checkpoint, 0.25 now",
                           "diffusion.timesteps: 1000 in the checkpoint, 500 now", "run.seed"})
    EXPECT_TRUE(contains(message, part)) << message;
  EXPECT_FALSE(contains(message, "training.steps")) << message;
}

}  // namespace
}  // namespace ddpm
