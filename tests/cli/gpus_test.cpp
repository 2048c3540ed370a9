// Several GPUs that train together. Skipped where there is one GPU or none.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>

#include "ddpm/metrics/jsonl.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;

// What a command prints; empty if it fails.
std::string output_of(const char* command) {
  std::string text;
  if (FILE* pipe = ::popen(command, "r")) {
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
    if (::pclose(pipe) != 0) text.clear();
  }
  return text;
}

std::int64_t count_gpus() {
  const std::string list = output_of("nvidia-smi --list-gpus 2>/dev/null");
  return std::count(list.begin(), list.end(), '\n');
}

std::int64_t used_memory_mib() {
  std::istringstream list(
      output_of("nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits"));
  return std::accumulate(std::istream_iterator<std::int64_t>(list),
                         std::istream_iterator<std::int64_t>(), std::int64_t{0});
}

class Gpus : public testing::TinyRun {
 protected:
  void SetUp() override {
    if (const std::int64_t count = count_gpus(); count < 2)
      GTEST_SKIP() << "needs two GPUs, and " << count << " can be seen";
  }
  // Channels that the kernels for GPUs support, every kind of randomness, float32 sums.
  ProgramResult train(const std::string& name, std::vector<std::string> settings, int gpus,
                      std::vector<std::string> options = {}) const {
    for (const char* setting :
         {"model.base_width=32", "model.groups=8", "model.final_groups=8", "model.dropout=0.1",
          "data.horizontal_flip=true", "run.deterministic=true", "training.reduce_dtype=fp32"})
      settings.insert(settings.begin(), setting);
    settings.push_back("run.name=" + name);
    options.insert(options.end(), {"--gpus", std::to_string(gpus)});
    return run(training(settings, options));
  }
  void expect_same_bytes(const std::string& a, const std::string& b, int step) const {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      const auto content = [&](const std::string& name) {
        return content_of(folder_ /
                          format_text("runs/{}/checkpoints/step_{:08}/{}", name, step, file));
      };
      EXPECT_FALSE(content(a).empty());
      EXPECT_TRUE(content(a) == content(b)) << file;
    }
  }
};

TEST_F(Gpus, TwoEqualTwoMicroBatchesBitForBit) {
  for (const char* precision : {"fp32", "bf16"}) {
    const std::string run = std::string("run.precision=") + precision;
    const ProgramResult together = train("two", {run, "training.steps=6"}, 2, {"--overwrite"});
    ASSERT_EQ(together.code, 0) << together.err;
    ASSERT_EQ(
        train("one", {run, "training.steps=6", "training.micro_batches=2"}, 1, {"--overwrite"})
            .code,
        0);
    expect_same_bytes("two", "one", 6);
  }
}

// A process records its third step and replays it from then on; one that makes a single step never does.
TEST_F(Gpus, ReplayedStepsEqualOrdinaryOnes) {
  ASSERT_EQ(train("straight", {"training.steps=6"}, 2).code, 0);
  for (int step = 1; step <= 6; ++step) {
    const ProgramResult result =
        train("single", {format_text("training.steps={}", step)}, 2, {"--resume", "auto"});
    ASSERT_EQ(result.code, 0) << result.err;
  }
  expect_same_bytes("straight", "single", 6);
}

TEST_F(Gpus, ADeathEndsTheOthers) {
  Program program(folder_.path(),
                  training({"training.steps=100000000", "model.base_width=32"}, {"--gpus", "2"}));
  program.wait_until([&] {
    std::error_code missing;
    return fs::file_size(folder_ / "runs/a/metrics.jsonl", missing) > 1000 && !missing;
  });
  ASSERT_EQ(program.children().size(), 2);
  const auto begun = std::chrono::steady_clock::now();
  ::kill(program.children().back(), SIGKILL);
  const ProgramResult result = program.wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, "was killed by signal 9")) << result.err;
}

TEST_F(Gpus, AStopOfOneStopsAll) {
  Program program(folder_.path(),
                  training({"training.steps=100000000", "model.base_width=32"}, {"--gpus", "2"}));
  program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
  ::kill(program.children().back(), SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(fs::exists(checkpoints() / "latest"));
}

TEST_F(Gpus, RestartsLeaveNoMemoryBehind) {
  const std::int64_t before = used_memory_mib();
  for (int i = 0; i < 5; ++i) {
    fs::remove_all(folder_ / "runs");  // its metrics would say that the next run trains already
    Program program(folder_.path(), training({"training.steps=100000000", "model.base_width=32"},
                                             {"--gpus", "2", "--overwrite"}));
    program.wait_until([&] { return fs::exists(folder_ / "runs/a/metrics.jsonl"); });
    ASSERT_FALSE(program.children().empty());
    ::kill(program.children().front(), SIGKILL);
    program.wait();
  }
  EXPECT_LE(used_memory_mib(), before + 64);
}

// The network of the quickstart by bf16 with noise of NCCL's sums: the loss of many steps is that of one GPU.
TEST_F(Gpus, FollowTheLossOfOne) {
  const auto loss = [&](const std::string& name) {
    const auto metrics = read_metrics(folder_ / "runs" / name / "metrics.jsonl");
    double sum = 0;
    for (std::size_t i = metrics.size() / 2; i < metrics.size(); ++i)
      sum += metric_number(metrics[i], "loss");
    return sum / static_cast<double>(metrics.size() - metrics.size() / 2);
  };
  const std::vector<std::string> settings = {"training.steps=1000", "training.batch_size=64",
                                             "run.deterministic=false",
                                             "training.reduce_dtype=auto", "training.log_every=10"};
  ASSERT_EQ(train("two", settings, 2).code, 0);
  ASSERT_EQ(train("one", settings, 1).code, 0);
  EXPECT_NEAR(loss("two") / loss("one"), 1, 0.01);
}

TEST_F(Gpus, SampleTheSameImages) {
  ASSERT_EQ(train("a", {}, 1).code, 0);
  for (const char* gpus : {"1", "2"})
    ASSERT_EQ(run({"sample", "--model", "runs/a", "--gpus", gpus, "--count", "10", "--batch-size",
                   "4", "--steps", "5", "--output", std::string(gpus) + ".npz"})
                  .code,
              0);
  EXPECT_TRUE(content_of(folder_ / "1.npz") == content_of(folder_ / "2.npz"));
}

}  // namespace
}  // namespace ddpm
