// Several processes that draw images together.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "support/ranks.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::Program;
using testing::ProgramResult;
using testing::Ranks;

class SharedSampling : public Ranks {
 protected:
  void SetUp() override { ASSERT_EQ(TinyRun::train().code, 0); }
  ProgramResult sample(int ranks, const std::string& output,
                       std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "sample",  "--model", "runs/a",   "--count", "7",       "--batch-size",        "2",
        "--steps", "4",       "--output", output,    "--ranks", std::to_string(ranks), "--threads",
        "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

// Seven images are four batches, the last of one image. With other numbers of threads, sums would be rounded in other
// orders.
TEST_F(SharedSampling, EveryFormatHasTheSameBytes) {
  for (const auto& [name, more] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"a.npz", {}}, {"b.png", {}}, {"c.safetensors", {"--trajectory"}}, {"d.apng", {}}}) {
    ASSERT_EQ(sample(1, "one_" + name, more).code, 0);
    for (const int ranks : {2, 3}) {
      const std::string file = format_text("{}_{}", ranks, name);
      const ProgramResult result = sample(ranks, file, more);
      ASSERT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(result.out, file + "\n");
      EXPECT_TRUE(content_of(folder_ / file) == content_of(folder_ / ("one_" + name))) << file;
    }
  }
}

TEST_F(SharedSampling, SingleImagesAreWrittenOnce) {
  ASSERT_EQ(sample(1, "one").code, 0);
  const ProgramResult result = sample(3, "three");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 7);
  for (int i = 0; i < 7; ++i) {
    const std::string name = format_text("{:06}.png", i);
    EXPECT_TRUE(content_of(folder_ / "one" / name) == content_of(folder_ / "three" / name)) << name;
  }
  const ProgramResult again = sample(2, "three");
  EXPECT_EQ(again.code, 2);
  EXPECT_TRUE(contains(again.err, "exists already")) << again.err;
}

TEST_F(SharedSampling, ASignalToOneStopsAll) {
  Program program(folder_.path(),
                  {"sample", "--model", "runs/a", "--count", "100000", "--batch-size", "1",
                   "--ranks", "2", "--output", "many.npz", "--progress", "json"});
  program.wait_until(
      [&] { return std::regex_search(program.err(), std::regex(R"("done":[1-9])")); });
  ::kill(process_of_rank(program, 1), SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_TRUE(contains(result.err, "of 100000 images written")) << result.err;
  EXPECT_TRUE(fs::exists(folder_ / "many.npz"));
}

}  // namespace
}  // namespace ddpm
