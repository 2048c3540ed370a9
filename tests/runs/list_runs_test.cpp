#include "ddpm/runs/list_runs.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/config/loader.h"
#include "ddpm/runs/checkpoint_store.h"
#include "ddpm/runs/training_state.h"
#include "support/faulty_file_system.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

class ListRuns : public ::testing::Test {
 protected:
  fs::path runs() const { return folder_ / "runs"; }
  fs::path checkpoints(const std::string& name) const { return runs() / name / "checkpoints"; }
  // A run of 100 steps with a checkpoint at `step` that was saved so many hours ago.
  void add(const std::string& name, std::int64_t step, int age) {
    Config config;
    config.training.steps = 100;
    const fs::path saved =
        CheckpointStore(checkpoints(name)).save(step, [&](const fs::path& folder) {
          for (const char* file : {"model.safetensors", "optimizer.safetensors"})
            std::ofstream(folder / file) << file;
          write_training_state(folder,
                               {.step = step, .images_seen = step, .config = config, .loss = 0.5});
        });
    folder_.write("runs/" + name + "/config.json", to_json(config));
    fs::last_write_time(saved / "MANIFEST.json",
                        fs::file_time_type::clock::now() - std::chrono::hours(age));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const RunSummary& run : list_runs(runs())) found.push_back(run.path.filename());
    return found;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ListRuns, IsEmptyWhereThereAreNone) {
  EXPECT_TRUE(list_runs(runs()).empty());
  folder_.write("runs/notes/text", "x");
  folder_.write("runs/file", "x");
  fs::create_directory(folder_ / "runs/lost+found");
  EXPECT_TRUE(list_runs(runs()).empty());
}

TEST_F(ListRuns, TellsStepsLossDateAndSize) {
  add("a", 10, 3);
  folder_.write("runs/a/metrics.jsonl", R"({"step": 11, "loss": 0.75}
{"step": 12, "loss": 0.25}
{"step": 13, "lo)");
  const std::vector<RunSummary> list = list_runs(runs());
  ASSERT_EQ(list.size(), 1U);
  const RunSummary& run = list.front();
  EXPECT_EQ(run.path, runs() / "a");
  EXPECT_EQ(run.step, 12);
  EXPECT_EQ(run.steps, 100);
  EXPECT_EQ(run.loss, 0.25);
  EXPECT_EQ(run.problem, "");
  ASSERT_TRUE(run.saved);
  const auto age = std::chrono::system_clock::now() - *run.saved;
  EXPECT_GT(age, std::chrono::minutes(179));
  EXPECT_LT(age, std::chrono::minutes(190));
  std::uint64_t bytes = 0;
  for (const fs::path& file : list_files_recursively(runs() / "a"))
    bytes += fs::file_size(runs() / "a" / file);
  EXPECT_EQ(run.disk_bytes, bytes);
  EXPECT_EQ(list_runs(runs() / "a").size(), 1U);  // a run itself
}

TEST_F(ListRuns, TakesWhatOnlyTheCheckpointKnows) {
  add("a", 10, 0);
  fs::remove(runs() / "a/config.json");
  const RunSummary run = list_runs(runs()).front();
  EXPECT_EQ(run.step, 10);
  EXPECT_EQ(run.steps, 100);
  EXPECT_EQ(run.loss, 0.5);
  EXPECT_TRUE(contains(run.problem, "config.json")) << run.problem;
}

TEST_F(ListRuns, PutsTheNewestLast) {
  add("a", 10, 1);
  add("b", 10, 3);
  add("c", 10, 2);
  folder_.write("runs/d/metrics.jsonl", "");  // died before its first checkpoint
  EXPECT_EQ(names(), (std::vector<std::string>{"d", "b", "c", "a"}));
}

TEST_F(ListRuns, SaysWhatIsDamaged) {
  add("a", 10, 1);
  const fs::path checkpoint = checkpoints("a") / "step_00000010";
  const auto problem = [&] { return list_runs(runs()).front().problem; };
  EXPECT_EQ(problem(), "");
  fs::resize_file(checkpoint / "model.safetensors", 1);
  EXPECT_TRUE(contains(problem(), "model.safetensors: 1 bytes long")) << problem();
  folder_.write("runs/a/checkpoints/step_00000010/state.json", "{}");
  EXPECT_TRUE(contains(problem(), ".safetensors") || contains(problem(), "state.json"));
  fs::remove_all(checkpoint);
  EXPECT_EQ(list_runs(runs()).front().saved, std::nullopt);
  testing::UnreadableFileSystem denying(checkpoints("a"), EACCES);
  const ReplaceFileSystem replaced(denying);
  EXPECT_TRUE(contains(problem(), "Permission denied")) << problem();
}

}  // namespace
}  // namespace ddpm
