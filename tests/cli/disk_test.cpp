// Full disks, limits and lost folders: always reported, and training goes on where it can.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "ddpm/base/file.h"
#include "ddpm/metrics/jsonl.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;
using testing::run_program;

class Disk : public testing::TinyRun {
 protected:
  // File sizes in bytes: the first is too small only for the weights, the second even for metrics.
  static constexpr rlim_t kNoWeights = 1 << 16;
  static constexpr rlim_t kNoMetrics = 8000;

  ProgramResult limited(rlim_t bytes, const std::vector<std::string>& settings,
                        const std::vector<std::string>& options = {}) const {
    return run_program(folder_.path(), training(settings, options), {.file_bytes = bytes});
  }
};

TEST_F(Disk, TrainingOutlivesAFailedCheckpointButNotTheLast) {
  ASSERT_EQ(run(training({"training.steps=4"})).code, 0);
  const std::string before = content_of(checkpoint(4) / "MANIFEST.json");
  const ProgramResult result = limited(
      kNoWeights, {"training.steps=9", "training.checkpoint_every=2"}, {"--resume", "auto"});
  EXPECT_EQ(result.code, 4) << result.err;
  for (const char* part :
       {"the checkpoint of step 6 could not be saved", "File too large", "Training goes on",
        "the last checkpoint, of step 9, could not be saved", "step_00000004"})
    EXPECT_TRUE(contains(result.err, part)) << part << " is not in: " << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(content_of(checkpoint(4) / "MANIFEST.json"), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(checkpoints()), {}), 2);  // with `latest`
  EXPECT_EQ(run(training({"training.steps=9"}, {"--resume", "auto"})).code, 0);
  EXPECT_TRUE(fs::exists(checkpoint(9)));
}

TEST_F(Disk, TrainingOutlivesMetricsAndPreviewsThatDoNotFit) {
  const ProgramResult result =
      limited(kNoMetrics, {"training.steps=120", "training.sample_every=60",
                           "training.sample_count=16", "training.sample_steps=2"});
  EXPECT_EQ(result.code, 4) << result.err;  // the last checkpoint was not saved
  EXPECT_TRUE(contains(result.err, "metrics.jsonl")) << result.err;
  EXPECT_TRUE(contains(result.err, "Training goes on without it")) << result.err;
  EXPECT_GT(read_metrics(folder_ / "runs/a/metrics.jsonl").size(), 10u);
}

TEST_F(Disk, SpaceIsAskedForBeforeTheStart) {
  const ProgramResult result =
      run(training({"training.keep_checkpoints=1000000", "model.base_width=256", "model.groups=32",
                    "model.final_groups=32"}));
  EXPECT_EQ(result.code, 1) << result.err;
  for (const char* part : {"not enough space", "training.keep_checkpoints = 1000000", "are free"})
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  EXPECT_FALSE(trained());
}

TEST_F(Disk, AVanishedFolderComesBack) {
  Program program(folder_.path(), training({"training.steps=1000000"}));
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  fs::remove_all(folder_ / "runs");
  program.send(SIGUSR1);
  program.wait_until([&] { return fs::exists(checkpoints() / "latest"); });
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(contains(result.err, "'runs/a' has vanished")) << result.err;
  for (const char* file : {"config.json", "environment.json", "loss.png", "checkpoints/latest"})
    EXPECT_TRUE(fs::exists(folder_ / "runs/a" / file)) << file;
  EXPECT_FALSE(read_metrics(folder_ / "runs/a/metrics.jsonl").empty());
  EXPECT_EQ(run(training({"training.steps=1"}, {"--resume", "auto"})).code, 0);
}

// A folder that cannot be written, from the start or from some moment on.
class ReadOnly : public Disk {
 public:
  ~ReadOnly() override { allow(checkpoints(), true), allow(folder_ / "runs", true); }

 protected:
  ReadOnly() {
    fs::permissions(folder_.path(), fs::perms(0755));
    fs::create_directory(folder_ / "runs");
    if (::geteuid() == 0 && ::chown((folder_ / "runs").c_str(), testing::kNobody, 0) != 0)
      ADD_FAILURE() << "chown failed";
  }

  static void allow(const fs::path& folder, bool writing) {
    std::error_code missing;
    fs::permissions(folder, fs::perms(writing ? 0755 : 0555), missing);
  }
  static bool can_run(const ProgramResult& result) {
    return result.code != 126 && result.code != 127;
  }
};

TEST_F(ReadOnly, IsAnErrorBeforeTheStart) {
  allow(folder_ / "runs", false);
  const ProgramResult result = run_program(folder_.path(), training({}), {.nobody = true});
  if (!can_run(result)) GTEST_SKIP() << "the program cannot be run by another user here";
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(contains(result.err, "'runs/a'") && contains(result.err, "Permission denied"))
      << result.err;
  EXPECT_EQ(result.out, "");
}

// The folder need not be readable, but then its entries are not synced.
TEST_F(ReadOnly, AFolderThatMayOnlyBeWrittenWillDo) {
  fs::permissions(folder_ / "runs", fs::perms(0333));
  const ProgramResult result = run_program(folder_.path(), training({}), {.nobody = true});
  if (!can_run(result)) GTEST_SKIP() << "the program cannot be run by another user here";
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(fs::exists(checkpoint(2) / "MANIFEST.json"));
}

TEST_F(ReadOnly, FailsSavesUntilItMayBeWrittenAgain) {
  Program program(folder_.path(), training({"training.steps=1000000"}), {.nobody = true});
  const auto saved = [&] { return fs::exists(checkpoints() / "latest"); };
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  program.send(SIGUSR1);
  program.wait_until(saved);
  const std::string before = content_of(checkpoints() / "latest");
  allow(checkpoints(), false);
  program.send(SIGUSR1);
  program.wait_until([&] { return contains(program.err(), "could not be saved"); });
  const std::string during = content_of(checkpoints() / "latest");
  allow(checkpoints(), true);
  program.send(SIGTERM);
  const ProgramResult result = program.wait();
  if (!can_run(result)) GTEST_SKIP() << "the program cannot be run by another user here";
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(contains(result.err, "Permission denied. Training goes on")) << result.err;
  EXPECT_EQ(during, before);
  EXPECT_NE(content_of(checkpoints() / "latest"), before);
}

TEST_F(Disk, NamesAndFoldersThatCannotBe) {
  const std::string long_name(300, 'x');
  folder_.write("file", "");
  for (const std::string& directory : {long_name, std::string("file"), std::string("file/below")}) {
    const ProgramResult result = run(training({"run.directory=" + directory}));
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_TRUE(contains(result.err, "cannot create folder '" + directory)) << result.err;
  }
}

// A million images would take minutes, so the error must come before sampling.
TEST_F(Disk, SamplesThatCannotBeWrittenAreNotDrawn) {
  ASSERT_EQ(train().code, 0);
  folder_.write("file", "x");
  fs::create_directory(folder_ / "folder.png");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.png").c_str(), 0600), 0);
  const std::vector<std::vector<std::string>> places = {{"--output", "file/below"},
                                                        {"--output", "pipe.png"},
                                                        {"--output", "folder.png"},
                                                        {"--grid", "--output", "file/a.png"}};
  for (const std::vector<std::string>& place : places) {
    std::vector<std::string> arguments = {"sample", "--model", "runs/a", "--count", "1000000"};
    arguments.insert(arguments.end(), place.begin(), place.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_TRUE(contains(result.err, "cannot create")) << result.err;
    EXPECT_FALSE(contains(result.err, "images (0 %)")) << result.err;
  }
  EXPECT_EQ(content_of(folder_ / "file"), "x");
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe.png"));
}

TEST_F(Disk, AReaderThatIsNotThereIsAnError) {
  const ProgramResult full = run_program(folder_.path(), {"config", "keys"}, {.out = "/dev/full"});
  EXPECT_EQ(full.code, 1);
  EXPECT_TRUE(contains(full.err, "cannot write to standard output: No space left")) << full.err;
  const ProgramResult trained = run_program(folder_.path(), training({}), {.out = "/dev/full"});
  EXPECT_EQ(trained.code, 1) << trained.err;
  EXPECT_TRUE(fs::exists(checkpoint(2) / "MANIFEST.json"));
}

// `ddpm config keys | head` ends quietly.
TEST_F(Disk, AReaderThatHasSeenEnoughGetsNoMessage) {
  const std::string command = "cd '" + folder_.path().string() + "' && { '" + DDPM_BINARY +
                              "' config keys 2> message; echo $? > code; } | true";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(content_of(folder_ / "message"), "");
  EXPECT_EQ(content_of(folder_ / "code"), "141\n");
}

// Otherwise the first file opened would get the number of standard error, and the messages.
TEST_F(Disk, ClosedStreamsDamageNoFile) {
  const ProgramResult result = run_program(folder_.path(), training({}), {.closed = true});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(read_metrics(folder_ / "runs/a/metrics.jsonl").size(), 2u);
  const std::string metrics = content_of(folder_ / "runs/a/metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 2) << metrics;
  EXPECT_TRUE(fs::exists(checkpoint(2) / "MANIFEST.json"));
}

TEST_F(Disk, OutOfMemoryNamesWaysOutAndTheCheckpoint) {
  // The first tensor of a step, the images, is larger than what is left.
  ASSERT_EQ(run(training({"data.height=32"})).code, 0);
  const ProgramResult result =
      run_program(folder_.path(),
                  training({"data.height=32", "training.batch_size=1000000", "training.steps=3"},
                           {"--resume", "auto", "--force"}),
                  {.memory_bytes = rlim_t{4} << 30});
  EXPECT_EQ(result.code, 1) << result.err;
  for (const char* part :
       {"out of memory on cpu with 1000000 images at once (peak so far", "training.batch_size",
        "training.micro_batches", "model.base_width", "step_00000002"})
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  EXPECT_EQ(run(training({"data.height=32", "training.steps=3"}, {"--resume", "auto"})).code, 0);
}

}  // namespace
}  // namespace ddpm
