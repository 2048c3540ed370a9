// run.precision = auto: what it becomes, what is recorded, and what a resumed run keeps. The device
// is the CPU, where it becomes fp32; tests/config/precision_test.cpp tests the rule for GPUs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/formats/safetensors.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

class PrecisionOfARun : public testing::TinyRun {
 protected:
  ProgramResult train_to(int steps, std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--device", "cpu"});
    return run(training({format_text("training.steps={}", steps)}, options));
  }
  ProgramResult resume_to(int steps, std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--resume", "auto"});
    return train_to(steps, options);
  }
  std::string recorded() const {
    return json::parse(content_of(folder_ / "runs/a/config.json")).at("run").at("precision");
  }
  std::string recorded_at(int step) const {
    const json state = json::parse(content_of(checkpoint(step) / "state.json"));
    return state.at("config").at("run").at("precision");
  }
};

TEST_F(PrecisionOfARun, AutoIsSaidAndRecordedAsWhatItBecame) {
  const ProgramResult result = train_to(2);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "precision: fp32 (auto: on a CPU)")) << result.err;
  EXPECT_TRUE(contains(result.err, "device: cpu, 1 thread, fp32")) << result.err;
  EXPECT_FALSE(contains(result.err, "run.precision")) << "it is no setting of the user's";
  EXPECT_EQ(recorded(), "fp32");
  EXPECT_EQ(recorded_at(2), "fp32");
  const ProgramResult asked = train_to(2, {"--overwrite", "--precision", "fp32"});
  ASSERT_EQ(asked.code, 0) << asked.err;
  EXPECT_FALSE(contains(asked.err, "precision: ")) << asked.err;
}

// Such as a run that began on a GPU and goes on on a CPU.
TEST_F(PrecisionOfARun, AResumedRunKeepsThatOfItsCheckpoint) {
  ASSERT_EQ(train_to(2, {"--precision", "bf16"}).code, 0);
  EXPECT_EQ(recorded_at(2), "bf16");
  for (const auto& [steps, options] :
       {std::pair{3, std::vector<std::string>{}}, {4, {"--precision", "auto"}}}) {
    const ProgramResult resumed = resume_to(steps, options);
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_TRUE(contains(resumed.err, "precision: bf16 (that of the checkpoint; --precision"))
        << resumed.err;
    EXPECT_TRUE(contains(resumed.err, "device: cpu, 1 thread, bf16")) << resumed.err;
    EXPECT_FALSE(contains(resumed.err, "changed since the checkpoint: run.precision"))
        << resumed.err;
    EXPECT_EQ(recorded(), "bf16");
    EXPECT_EQ(recorded_at(steps), "bf16");
  }
}

TEST_F(PrecisionOfARun, AskingForAnotherChangesItAndIsLogged) {
  ASSERT_EQ(train_to(2, {"--precision", "bf16"}).code, 0);
  const ProgramResult resumed = resume_to(3, {"--precision", "fp32"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(contains(resumed.err,
                       "changed since the checkpoint: run.precision from \"bf16\" to \"fp32\""))
      << resumed.err;
  EXPECT_EQ(recorded_at(3), "fp32");
  EXPECT_TRUE(contains(resume_to(4).err, "precision: fp32 (that of the checkpoint"));
}

TEST_F(PrecisionOfARun, SamplingDecidesForItsOwnDevice) {
  ASSERT_EQ(train_to(2, {"--precision", "bf16"}).code, 0);
  const std::vector<std::string> sample = {"sample",   "runs/a", "--count",  "1",
                                           "--device", "cpu",    "--output", "a.png"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), sample.begin(), sample.end());
    return run(more);
  };
  const ProgramResult automatic = with({});
  ASSERT_EQ(automatic.code, 0) << automatic.err;
  EXPECT_TRUE(contains(automatic.err, "precision: fp32 (auto: on a CPU)")) << automatic.err;
  const ProgramResult asked = with({"--precision", "bf16", "--overwrite"});
  EXPECT_TRUE(contains(asked.err, ", bf16")) << asked.err;
  EXPECT_FALSE(contains(asked.err, "auto")) << asked.err;
}

// On every device auto is fp32 there, but what is asked for is done.
TEST_F(PrecisionOfARun, OfDenoiseIsFp32UnlessAskedOtherwise) {
  ASSERT_EQ(train_to(2).code, 0);
  std::vector<float> x;
  for (int i = 0; i < 16 * 16; ++i) x.push_back(static_cast<float>(i % 7) / 7);
  const std::vector<std::int64_t> t = {3};
  const auto bytes = [](const auto& values) { return std::as_bytes(std::span(values)); };
  const std::vector<TensorView> input = {{"sample", DType::kF32, {1, 1, 16, 16}, bytes(x)},
                                         {"timestep", DType::kI64, {1}, bytes(t)}};
  write_safetensors(folder_ / "in.safetensors", input, {});
  const auto prediction = [&](std::vector<std::string> options) {
    options.insert(options.begin(),
                   {"denoise", "runs/a", "--input", "in.safetensors", "--output", "out.safetensors",
                    "--overwrite", "--device", "cpu", "--threads", "1"});
    const ProgramResult result = run(options);
    EXPECT_EQ(result.code, 0) << result.err;
    return content_of(folder_ / "out.safetensors");
  };
  const std::string exact = prediction({"--precision", "fp32"});
  EXPECT_EQ(prediction({}), exact);
  EXPECT_EQ(prediction({"--precision", "auto"}), exact);
  EXPECT_EQ(prediction({"--set", "run.precision=\"auto\""}), exact);
  EXPECT_NE(prediction({"--precision", "bf16"}), exact);
  EXPECT_NE(prediction({"--set", "run.precision=bf16"}), exact);
}

}  // namespace
}  // namespace ddpm
