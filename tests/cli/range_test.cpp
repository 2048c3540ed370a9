// Every option refuses values outside the range that its help states, with exit code 2.
#include <gtest/gtest.h>

#include "support/tiny_run.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::ProgramResult;

class Range : public testing::TinyRun {};

TEST_F(Range, OfEveryOptionHolds) {
  ASSERT_EQ(train().code, 0);
  const std::vector<std::string> training = {"train", "--config", "tiny.json", "--dry-run"};
  const std::vector<std::string> sampling = {"sample", "--model", "runs/a"};
  const std::vector<std::string> inspecting = {"inspect", "--config", "tiny.json"};
  const std::vector<std::string> measuring = {"bench", "--config", "tiny.json"};
  const std::vector<std::string> converting = {"convert",   "--model",  "runs/a", "--to",
                                               "diffusers", "--output", "out"};
  const std::vector<std::string> denoising = {"denoise", "--model",  "runs/a", "--input",
                                              "none",    "--output", "out"};
  struct Case {
    std::vector<std::string> command;
    std::string option;
    std::vector<std::string> values;
  };
  const std::vector<std::string> no_count = {"0",   "-1",         "1.5",
                                             "nan", "9999999999", "99999999999999999999"};
  const std::vector<std::string> no_threads = {"-1",  "1025", "9999999999", "99999999999999999999",
                                               "nan", "1.5"};
  const std::vector<std::string> no_seed = {"-1", "1.5", "nan", "99999999999999999999"};
  const std::vector<std::string> no_size = {"0", "-1", "16385", "8x0", "x8", "8x", "99999999999"};
  const std::vector<Case> cases = {
      {training, "--max-minutes", {"-1", "nan", "inf", "-inf", "soon", ""}},
      {training, "--threads", no_threads},
      {training, "--seed", no_seed},
      {training, "--image-size", no_size},
      {training, "--precision", {"fp8", ""}},
      {training, "--device", {"gpu", "cuda:x", ""}},
      {training, "--weights", {"best"}},
      {training, "--progress", {"fancy", ""}},
      {sampling, "--steps", {"0", "-1", "21", "1.5", "nan", "9999999999"}},
      {sampling, "--count", no_count},
      {sampling, "--batch-size", no_count},
      {sampling, "--class", {"-1", "0", "1.5"}},  // the network has no classes
      {sampling, "--eta", {"-0.1", "1.1", "nan", "inf"}},
      {sampling, "--sampler", {"eular", ""}},
      {sampling, "--sigmas", {"edm", ""}},
      {sampling, "--spacing", {"even", ""}},
      {sampling, "--format", {"gif", ""}},
      {sampling, "--weights", {"best", ""}},
      {sampling, "--threads", no_threads},
      {sampling, "--seed", no_seed},
      {inspecting, "--batch-size", no_count},
      {inspecting, "--weights", {"best"}},
      {inspecting, "--progress", {"fancy"}},
      {measuring, "--batch-size", no_count},
      {measuring, "--seconds", {"-1", "3601", "nan", "inf"}},
      {measuring, "--threads", no_threads},
      {measuring, "--progress", {"fancy"}},
      {converting, "--to", {"keras", ""}},
      {converting, "--dtype", {"fp8", ""}},
      {converting, "--weights", {"best"}},
      {converting, "--progress", {"fancy"}},
      {denoising, "--threads", no_threads},
      {denoising, "--weights", {"best"}},
      {denoising, "--progress", {"fancy"}},
  };
  for (const Case& test : cases)
    for (const std::string& value : test.values) {
      std::vector<std::string> arguments = test.command;
      arguments.push_back(test.option + "=" + value);
      const ProgramResult result = run(arguments);
      EXPECT_EQ(result.code, 2) << test.command[0] << " " << arguments.back() << "\n" << result.err;
      EXPECT_TRUE(contains(result.err, test.option.substr(2)) ||
                  contains(result.err, "sampling.class_label"))
          << arguments.back() << "\n"
          << result.err;
      EXPECT_EQ(result.out, "") << arguments.back();
    }
}

}  // namespace
}  // namespace ddpm
