// Compares `ddpm bench --json` on the CPU with what other commands print about the same network.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "ddpm/base/stopwatch.h"
#include "ddpm/formats/safetensors.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class Bench : public testing::TinyRun {
 protected:
  ProgramResult bench(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"bench", "--device",  "cpu", "--threads",
                                          "1",     "--seconds", "0.1", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

// "section.key" for every number and text of the result.
std::set<std::string> keys_of(const json& result) {
  std::set<std::string> keys;
  for (const auto& [section, values] : result.items())
    for (const auto& [key, value] : values.items()) keys.insert(section + "." + key);
  return keys;
}

// The keys in docs/formats/bench.md that a CPU can have.
std::set<std::string> documented_keys() {
  std::istringstream page(
      testing::content_of(std::filesystem::path(DDPM_SOURCE_DIR) / "docs/formats/bench.md"));
  const std::regex row(R"(^\| `(\w+\.\w+)` \|)");
  std::set<std::string> keys;
  std::smatch match;
  for (std::string line; std::getline(page, line);)
    if (std::regex_search(line, match, row) && !match.str(1).ends_with(".kernels"))
      keys.insert(match.str(1));
  return keys;
}

TEST_F(Bench, MeasuresTrainingAndSamplingOfARun) {
  ASSERT_EQ(train({"--set", "sampling.batch_size=8"}).code, 0);
  const Stopwatch watch;
  const ProgramResult result = bench({"--config", "runs/a/config.json"});
  const double seconds = watch.seconds();
  ASSERT_EQ(result.code, 0) << result.err;
  const json all = json::parse(result.out);
  EXPECT_EQ(keys_of(all), documented_keys());
  const json &machine = all.at("machine"), &training = all.at("training"),
             &sampling = all.at("sampling");

  EXPECT_EQ(machine.at("device"), "cpu, 1 thread, fp32");
  EXPECT_GT(machine.at("matmul_tflops"), 0);
  EXPECT_GT(machine.at("copy_gb_per_second"), 0);
  EXPECT_EQ(all.at("network").at("image"), "1x16x16");
  // The parameters are the values in the checkpoint.
  const SafetensorsFile weights(checkpoint(2) / "model.safetensors");
  std::size_t values = 0;
  for (const TensorView& tensor : weights.tensors()) values += tensor.bytes.size() / sizeof(float);
  EXPECT_EQ(all.at("network").at("parameters"), values);

  const auto number = [](const json& section, const char* key) {
    return section.at(key).get<double>();
  };
  // Images per second and milliseconds per step agree.
  EXPECT_EQ(training.at("batch_size"), 4);
  EXPECT_EQ(sampling.at("batch_size"), 8);
  EXPECT_GT(number(training, "step_ms"), 0);
  EXPECT_GT(number(sampling, "step_ms"), 0);
  EXPECT_NEAR(number(training, "images_per_second") * number(training, "step_ms"), 4e3, 1e-6);
  EXPECT_NEAR(number(sampling, "evaluations_per_second") * number(sampling, "step_ms"), 8e3, 1e-6);
  EXPECT_GT(number(training, "seconds_to_steady_step"), 0);
  EXPECT_LT(number(training, "seconds_to_steady_step") + number(training, "step_ms") / 1e3,
            seconds);

  // TFLOP/s are what `ddpm inspect` counts for one image, times images per second.
  const json network = json::parse(run({"inspect", "runs/a", "--json"}).out);
  const double peak = number(machine, "matmul_tflops");
  const double trained =
      number(training, "images_per_second") * number(network, "gflop_per_training_image") / 1e3;
  const double sampled =
      number(sampling, "evaluations_per_second") * number(network, "gflop_per_evaluation") / 1e3;
  EXPECT_NEAR(number(training, "tflops") / trained, 1, 1e-9);
  EXPECT_NEAR(number(sampling, "tflops") / sampled, 1, 1e-9);
  EXPECT_NEAR(number(training, "share_of_matmul"), trained / peak, 1e-9);
  EXPECT_NEAR(number(sampling, "share_of_matmul"), sampled / peak, 1e-9);

  // The numbers are the peak memory of the process, which only grows.
  EXPECT_GT(number(training, "peak_memory_bytes"), 0);
  EXPECT_LE(number(training, "peak_memory_bytes"), number(sampling, "peak_memory_bytes"));
  EXPECT_LE(number(sampling, "peak_memory_bytes"), 1024.0 * static_cast<double>(result.peak_kib));
}

TEST_F(Bench, MeasuresWhatItIsAskedFor) {
  const std::vector<std::string> tiny = {"--config", "tiny.json", "--batch-size", "2"};
  const auto with = [&](const std::string& option) {
    std::vector<std::string> arguments = tiny;
    arguments.push_back(option);
    const ProgramResult result = bench(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  };
  const json training = with("--train"), sampling = with("--sample");
  EXPECT_FALSE(training.contains("sampling"));
  EXPECT_FALSE(sampling.contains("training"));
  EXPECT_EQ(training.at("training").at("batch_size"), 2);
  EXPECT_EQ(sampling.at("sampling").at("batch_size"), 2);
}

TEST_F(Bench, RefusesBadArguments) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--seconds", "-1"}, "--seconds"},
      {{"--seconds", "nan"}, "--seconds"},
      {{"--seconds", "1e9"}, "--seconds"},
      {{"--seconds", "soon"}, "--seconds"},
      {{"--batch-size", "0"}, "--batch-size"},
      {{"--batch-size", "many"}, "--batch-size"},
      {{"--precision", "fp8"}, "precision"},
      {{"--device", "gpu"}, "device"},
      {{"--config", "nowhere.json"}, "nowhere.json"},
      {{"--set", "model.width=3"}, "model.width"},
      {{"--training"}, "--training"},
      {{"runs/a"}, "runs/a"},
  };
  for (const auto& [arguments, part] : cases) {
    const ProgramResult result = bench(arguments);
    EXPECT_EQ(result.code, 2) << part << ": " << result.err;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
    EXPECT_EQ(result.out, "");
  }
}

// The first step is not timed, so a process of one step leaves none to time. This once never ended.
TEST_F(Bench, RefusesToTimeTheOnlyStep) {
  const ProgramResult result =
      bench({"--config", "tiny.json", "--sample", "--set", "diffusion.timesteps=1"});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_TRUE(contains(result.err, "diffusion.timesteps = 1")) << result.err;
}

}  // namespace
}  // namespace ddpm
