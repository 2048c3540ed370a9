// Checkpoints that cannot be accessed are not damaged, and no other takes their place.
#include <gtest/gtest.h>

#include <fstream>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/runs/checkpoint_saver.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/run_directory.h"
#include "ddpm/runs/training_state.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::message_of;
using testing::UnreadableFileSystem;

class UnreadableRun : public ::testing::Test {
 protected:
  UnreadableRun() {
    config_.run.directory = (folder_ / "runs").string();
    config_.run.name = "a";
    for (const std::int64_t step : {5, 10}) save(step);
  }
  void write_files(const fs::path& folder, std::int64_t step, double loss) const {
    for (const char* name : {"model.safetensors", "optimizer.safetensors"})
      std::ofstream(folder / name) << name << step;
    write_training_state(folder,
                         {.step = step, .images_seen = step, .config = config_, .loss = loss});
  }
  void save(std::int64_t step) const {
    store().save(step, [&](const fs::path& folder) { write_files(folder, step, 1); });
  }
  CheckpointStore store() const { return CheckpointStore(checkpoints()); }
  fs::path checkpoints() const { return folder_ / "runs/a/checkpoints"; }
  // The places in which a run can be unreadable.
  std::vector<fs::path> places() const {
    const fs::path newest = checkpoints() / "step_00000010";
    return {folder_ / "runs/a",           checkpoints(),         checkpoints() / "latest", newest,
            newest / "model.safetensors", newest / "state.json", newest / "MANIFEST.json"};
  }

  testing::TemporaryFolder folder_;
  Config config_;
};

TEST_F(UnreadableRun, IsNeverDamagedNorSkippedNorStartedAgain) {
  for (const int error : {EACCES, ESTALE, EIO})
    for (const fs::path& place : places()) {
      UnreadableFileSystem denying(place, error);
      const ReplaceFileSystem replaced(denying);
      ::testing::internal::CaptureStderr();
      const std::string message =
          message_of<AccessError>([&] { RunDirectory(config_).find_checkpoint("auto"); });
      const std::string log = ::testing::internal::GetCapturedStderr();
      EXPECT_TRUE(contains(message, place.string())) << message;
      for (const char* wrong : {"damaged", "--overwrite", "step_00000005"})
        EXPECT_FALSE(contains(message + log, wrong)) << message << log;
      EXPECT_THROW(store().newest(), AccessError) << place;
    }
  EXPECT_EQ(store().newest(), checkpoints() / "step_00000010");
}

TEST_F(UnreadableRun, FailsOnlyWhenReadToo) {
  const fs::path model = checkpoints() / "step_00000010/model.safetensors";
  UnreadableFileSystem denying(model, EIO, UnreadableFileSystem::Denied::kReading);
  const ReplaceFileSystem replaced(denying);
  EXPECT_THROW(verify_checkpoint(model.parent_path()), AccessError);
  EXPECT_THROW(store().newest(), AccessError);
}

TEST_F(UnreadableRun, IsNotTakenForAnEmptyFolder) {
  UnreadableFileSystem denying(folder_ / "runs/a", EACCES);
  const ReplaceFileSystem replaced(denying);
  EXPECT_THROW(RunDirectory(config_).require_empty(), AccessError);
}

TEST_F(UnreadableRun, GivesWayToNoOlderRun) {
  UnreadableFileSystem denying(folder_ / "runs/b", EACCES);
  fs::create_directories(folder_ / "runs/b/checkpoints");
  fs::create_directory(folder_ / "runs/lost+found");
  {
    const ReplaceFileSystem replaced(denying);
    EXPECT_THROW(newest_run(folder_ / "runs"), AccessError);
  }
  UnreadableFileSystem fragments(folder_ / "runs/lost+found", EACCES);
  const ReplaceFileSystem replaced(fragments);
  EXPECT_EQ(newest_run(folder_ / "runs"), folder_ / "runs/a");
}

TEST_F(UnreadableRun, LeavesTheBestCheckpointTheBest) {
  CheckpointSaver saver(store(), {.newest = 2}, Criterion::kLoss);
  const auto save_with_loss = [&](std::int64_t step, double loss) {
    saver.start(step, [&, step, loss](const fs::path& path) { write_files(path, step, loss); });
    return saver.wait();
  };
  save_with_loss(20, 0.1);
  const fs::path best = checkpoints() / "step_00000020";
  ASSERT_EQ(store().best(), best);
  {
    UnreadableFileSystem denying(best / "state.json", ESTALE);
    const ReplaceFileSystem replaced(denying);
    EXPECT_TRUE(save_with_loss(30, 0.5)->saved());
  }
  EXPECT_EQ(store().best(), best);
}

TEST_F(UnreadableRun, IsNamedInMessagesAboutOtherErrors) {
  EXPECT_EQ(store().describe_newest("newest: ", "none"),
            "newest: " + (checkpoints() / "step_00000010").string());
  EXPECT_EQ(CheckpointStore(folder_ / "none").describe_newest("newest: ", "none"), "none");
  UnreadableFileSystem denying(checkpoints(), EACCES);
  const ReplaceFileSystem replaced(denying);
  EXPECT_TRUE(contains(store().describe_newest("newest: ", "none"), "Permission denied"));
}

}  // namespace
}  // namespace ddpm
