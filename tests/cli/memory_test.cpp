// What the program does in less memory and on fewer cores than the machine has.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "ddpm/image/codec.h"
#include "support/one_core.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::ProgramResult;
using testing::run_program;

// Libraries for GPUs are mapped files of several GiB, which this limit does not count.
constexpr testing::Limits kOneGiB{.data_bytes = rlim_t{1} << 30};

class Memory : public testing::TinyRun {
 protected:
  ProgramResult run_in_one_gib(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--device", "cpu"});
    return run_program(folder_.path(), arguments, kOneGiB);
  }
  // 100,000 images take about 70 GiB at once.
  static std::vector<std::string> too_much(const std::vector<std::string>& options = {}) {
    return training({"training.batch_size=100000"}, options);
  }
  static void expect_refused(const ProgramResult& result, const std::vector<std::string>& parts) {
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_EQ(result.out, "");
    for (const std::string& part : parts)
      EXPECT_TRUE(contains(result.err, part)) << part << "\n" << result.err;
    EXPECT_TRUE(contains(result.err, "--force")) << result.err;
  }
};

TEST_F(Memory, TrainingThatCannotFitIsRefusedBeforeItBegins) {
  for (const char* option : {"--quiet", "--dry-run"}) {
    expect_refused(
        run_in_one_gib(too_much({option})),
        {"training needs about ", " GiB of memory, but only ",
         " free of the 1.0 GiB that `ulimit -d` allows", "training.batch_size (100000 now)",
         "training.micro_batches (1 now)", "--image-size", "model.base_width"});
    EXPECT_FALSE(trained());
  }
}

TEST_F(Memory, TrainingThatFitsIsNotRefused) {
  const ProgramResult result = run_in_one_gib(training({"training.batch_size=64"}));
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(Memory, SamplingThatCannotFitIsRefusedBeforeItBegins) {
  ASSERT_EQ(train().code, 0);
  expect_refused(
      run_in_one_gib({"sample", "runs/a", "--count", "100000", "--batch-size", "100000"}),
      {"sampling needs about ", " GiB of memory, but only ", "--batch-size (100000 at once now)",
       "--image-size"});
  EXPECT_FALSE(fs::exists(folder_ / "samples"));
  // 16x16 values of 4 bytes, twice when the file is written: 20 GiB for 10 million images.
  expect_refused(run_in_one_gib({"sample", "runs/a", "--count", "10000000", "--output", "a.npz"}),
                 {"sampling needs about 19.1 GiB", "(--count)"});
  expect_refused(run_in_one_gib({"sample", "runs/a", "--count", "1000000", "--trajectory",
                                 "--output", "a.safetensors"}),
                 {"sampling needs about 40.", "(--count)"});
  EXPECT_EQ(run_in_one_gib({"sample", "runs/a", "--count", "8", "--steps", "2"}).code, 0);
}

// Of training, Disk.OutOfMemoryNamesWaysOutAndTheCheckpoint tests it.
TEST_F(Memory, ForceTriesAllTheSame) {
  ASSERT_EQ(train().code, 0);
  std::vector<std::string> arguments = {"sample",       "runs/a", "--count", "10000",
                                        "--batch-size", "10000",  "--steps", "1"};
  expect_refused(run_in_one_gib(arguments), {"sampling needs about 1."});
  arguments.emplace_back("--force");
  const ProgramResult sampled = run_in_one_gib(arguments);
  EXPECT_EQ(sampled.code, 1) << sampled.err;
  EXPECT_TRUE(contains(sampled.err, "out of memory on cpu with 10000 images at once"))
      << sampled.err;
}

// Two images of 16384x16384 pixels and three channels take 1.5 GiB.
TEST_F(Memory, ForceTriesToDecodeImagesToo) {
  for (const char* name : {"photos/1.png", "photos/2.png"})
    folder_.write(name, encode_png(Image(8, 8, 3, 100)));
  std::vector<std::string> arguments =
      training({"data.source=folder", "data.path=photos", "data.height=16384", "data.channels=3"});
  const ProgramResult refused = run_in_one_gib(arguments);
  EXPECT_EQ(refused.code, 3);
  for (const char* part :
       {"2 images of 16384x16384 pixels need 1.5 GiB of memory, but only", "--force"})
    EXPECT_TRUE(contains(refused.err, part)) << refused.err;
  arguments.emplace_back("--force");
  const ProgramResult forced = run_in_one_gib(arguments);
  EXPECT_EQ(forced.code, 1) << forced.err;
  EXPECT_TRUE(contains(forced.err, "out of memory")) << forced.err;
}

TEST_F(Memory, ThreadsAreAtMostTheCoresOfTheProcess) {
  ProgramResult result;
  std::thread([&] {  // what the program starts with is inherited from the thread that starts it
    testing::bind_to_one_core();
    result = run(training({"run.threads=0", "run.device=cpu"}));
  })
      .join();
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.err, "device: cpu, 1 thread,")) << result.err;
}

}  // namespace
}  // namespace ddpm
