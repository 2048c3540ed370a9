#include "ddpm/runs/checkpoint_saver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "ddpm/base/error.h"
#include "ddpm/runs/training_state.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;

class CheckpointSaverTest : public ::testing::Test {
 protected:
  fs::path checkpoints() const { return folder_ / "checkpoints"; }
  // Writes the files of a checkpoint.
  static auto writer(std::int64_t step, std::optional<double> loss = {}) {
    return [=](const fs::path& folder) {
      for (const char* name : {"model.safetensors", "optimizer.safetensors"})
        std::ofstream(folder / name) << name;
      write_training_state(folder, {.step = step, .images_seen = step, .config = {}, .loss = loss});
    };
  }
  std::vector<std::string> names() const {
    std::vector<std::string> list;
    for (const fs::path& path : CheckpointStore(checkpoints()).list())
      list.push_back(path.filename().string());
    return list;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(CheckpointSaverTest, TrainingGoesOnMeanwhile) {
  CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 2}, std::nullopt);
  EXPECT_FALSE(saver.poll());
  EXPECT_FALSE(saver.wait());
  std::atomic<bool> go_on = false;
  saver.start(1, [&](const fs::path& folder) {
    while (!go_on) std::this_thread::yield();
    writer(1)(folder);
  });
  EXPECT_TRUE(saver.busy());
  EXPECT_FALSE(saver.poll());
  EXPECT_TRUE(names().empty());
  go_on = true;
  const std::optional<SaveResult> result = saver.wait();
  ASSERT_TRUE(result && result->saved());
  EXPECT_EQ(result->step, 1);
  EXPECT_EQ(result->path, checkpoints() / "step_00000001");
  EXPECT_FALSE(saver.busy());
  EXPECT_FALSE(saver.wait());
  saver.start(2, writer(2));
  std::optional<SaveResult> polled;
  while (!(polled = saver.poll())) std::this_thread::yield();
  EXPECT_TRUE(polled->saved());
}

TEST_F(CheckpointSaverTest, ReportsWhateverGoesWrong) {
  CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 1}, std::nullopt);
  saver.start(1, writer(1));
  ASSERT_TRUE(saver.wait()->saved());
  saver.start(2, [](const fs::path&) { throw IoError("no space left"); });
  std::optional<SaveResult> result = saver.wait();
  EXPECT_FALSE(result->saved());
  EXPECT_EQ(result->error, "no space left");
  EXPECT_EQ(result->step, 2);
  saver.start(3, [](const fs::path&) { throw std::bad_alloc(); });
  result = saver.wait();
  EXPECT_FALSE(result->saved());
  EXPECT_FALSE(result->error.empty());
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000001"}));
}

TEST_F(CheckpointSaverTest, FinishesBeforeItGoesAway) {
  {
    CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 1}, std::nullopt);
    saver.start(1, [](const fs::path& folder) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      writer(1)(folder);
    });
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000001"}));
}

TEST_F(CheckpointSaverTest, KeepsTheBestAndMilestones) {
  CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 1, .every = 4},
                        Criterion::kLoss);
  const std::vector<std::optional<double>> losses = {0.9, 0.5, 0.7, 0.6, std::nullopt, 0.8};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const auto step = static_cast<std::int64_t>(i + 1);
    saver.start(step, writer(step, losses[i]));
    ASSERT_TRUE(saver.wait()->saved());
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000002", "step_00000004", "step_00000006"}));
  EXPECT_EQ(CheckpointStore(checkpoints()).best(), checkpoints() / "step_00000002");
}

// Of a checkpoint whose images were not measured, or by another number, nobody knows how good it is.
TEST_F(CheckpointSaverTest, KeepsTheBestByTheScoreOfItsImages) {
  CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 1}, Criterion::kPrecision);
  const std::vector<std::optional<CheckpointScore>> scores = {
      CheckpointScore{Criterion::kFid, 99}, CheckpointScore{Criterion::kPrecision, 0.4},
      CheckpointScore{Criterion::kPrecision, 0.7}, CheckpointScore{Criterion::kPrecision, 0.6},
      std::nullopt};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto step = static_cast<std::int64_t>(i + 1);
    saver.start(step, [&](const fs::path& folder) {
      writer(step)(folder);
      write_training_state(folder, {.step = step,
                                    .images_seen = step,
                                    .config = {},
                                    .loss = 1.0 / static_cast<double>(step),
                                    .score = scores[i]});
    });
    ASSERT_TRUE(saver.wait()->saved());
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000003", "step_00000005"}));
}

// If the best checkpoint is damaged, saving goes on and the damaged one is not kept.
TEST_F(CheckpointSaverTest, SurvivesADamagedBest) {
  CheckpointSaver saver(CheckpointStore(checkpoints()), {.newest = 2}, Criterion::kLoss);
  saver.start(1, writer(1, 0.1));
  saver.wait();
  folder_.write(checkpoints() / "step_00000001/state.json", "{");
  saver.start(2, writer(2, 0.5));
  EXPECT_TRUE(saver.wait()->saved());
  EXPECT_EQ(CheckpointStore(checkpoints()).best(), checkpoints() / "step_00000002");
}

}  // namespace
}  // namespace ddpm
