// Broken and hostile model files: each gives one exit code and one message, and nothing is written.
#include <gtest/gtest.h>

#include <array>
#include <span>
#include <utility>

#include "ddpm/formats/safetensors.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::ProgramResult;

class BadModel : public testing::TinyRun {
 protected:
  BadModel() { EXPECT_EQ(train().code, 0); }

  // Writes the trained weights after `change`.
  template <class Change>
  void write_changed(const Change& change) const {
    const SafetensorsFile file(folder_ / "runs/a/checkpoints/step_00000002/ema.safetensors");
    std::vector<TensorView> tensors = file.tensors();
    change(tensors);
    write_safetensors(folder_ / "bad.safetensors", tensors, file.metadata());
  }
  void expect_refused(const std::string& part) const {
    const ProgramResult result = run({"sample", "--model", "bad.safetensors"});
    EXPECT_EQ(result.code, 4) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(contains(result.err, "bad.safetensors")) << result.err;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "samples"));
  }
};

TEST_F(BadModel, MissingUnexpectedAndMisshapenTensors) {
  write_changed([](std::vector<TensorView>& tensors) {
    std::erase_if(tensors, [](const TensorView& t) { return t.name == "conv_in.bias"; });
  });
  expect_refused("missing: conv_in.bias");
  write_changed([](std::vector<TensorView>& tensors) {
    tensors.push_back(tensors.front());
    tensors.back().name = "extra";
  });
  expect_refused("unexpected: extra");
  write_changed([](std::vector<TensorView>& tensors) {
    for (TensorView& t : tensors)
      if (t.name == "conv_in.weight") t.shape = {8, 3, 3, 1};
  });
  expect_refused("conv_in.weight is [8,3,3,1], expected [8,1,3,3]");
}

TEST_F(BadModel, CutFiles) {
  write_changed([](std::vector<TensorView>&) {});
  const fs::path file = folder_ / "bad.safetensors";
  const std::string bytes = testing::content_of(file);
  for (const std::size_t size : {bytes.size() - 1, bytes.size() / 2, std::size_t{100},
                                 std::size_t{8}, std::size_t{3}, std::size_t{0}}) {
    fs::resize_file(file, size);
    expect_refused("bad.safetensors");
  }
}

TEST_F(BadModel, ADamagedCheckpointIsNeverUsedWhenNamed) {
  const fs::path checkpoint = "runs/a/checkpoints/step_00000002";
  std::string bytes = testing::content_of(folder_ / checkpoint / "ema.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  folder_.write(checkpoint / "ema.safetensors", bytes);
  const ProgramResult sampled = run({"sample", "--model", checkpoint.string()});
  EXPECT_EQ(sampled.code, 4);
  EXPECT_TRUE(contains(sampled.err, "ema.safetensors")) << sampled.err;
  const ProgramResult resumed = train({"--resume", checkpoint.string()});
  EXPECT_EQ(resumed.code, 4);
  EXPECT_TRUE(contains(resumed.err, "ema.safetensors")) << resumed.err;
}

TEST_F(BadModel, BadRequests) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--steps", "21"}, "21"},
      {{"--steps", "-1"}, "--steps"},
      {{"--steps", "0"}, "--steps"},
      {{"--class", "-1"}, "--class"},
      {{"--count", "0"}, "--count"},
      {{"--sampler", "eular"}, "did you mean 'euler'?"},
      {{"--sampler", "EulerDiscreteSchedule"}, "did you mean 'EulerDiscreteScheduler'?"},
      {{"--sampler", "best"}, "--list-samplers"},
      {{"--sigmas", "karras"}, "the sampler ddpm visits timesteps"},
      {{"--sigmas", "odd"}, "--sigmas"},
      {{"--sampler", "euler", "--sigma-max", "5"}, "--sigma-max: it limits"},
      {{"--sampler", "euler", "--sigmas", "karras", "--sigma-max", "5", "--sigma-min", "5"},
       "the noise levels must descend"},
      {{"--sampler", "euler", "--sigmas", "karras", "--sigma-max", "1e-9"}, "but must descend"},
      {{"--spacing", "odd"}, "--spacing"},
      {{"--steps", "ddim"}, "OpenAI's ddim50"},
      {{"--steps", "ddim6"}, "choose ddim7 or ddim5"},
      {{"--steps", "5,30"}, "section 2, which has only 10"},
      {{"--steps", "5,5", "--spacing", "leading"}, "--spacing: both choose the timesteps"},
      {{"--timesteps", "19,5,5"}, "timesteps must descend"},
      {{"--timesteps", "20,5"}, "the timesteps are 0 to 19"},
      {{"--timesteps", "5,0", "--steps", "2"}, "--timesteps and --steps"},
      {{"--timesteps", "5,x"}, "--timesteps"},
      {{"--churn", "5"}, "choose euler or heun"},
      {{"--churn", "-1", "--sampler", "euler"}, "--churn"},
      {{"--sampler", "lcm", "--spacing", "leading"}, "--spacing"},
      {{"--weights", "best"}, "--weights"},
      {{"--format", "gif"}, "--format"},
      {{"--format", "npz", "--trajectory"}, "--trajectory"},
  };
  for (const auto& [options, part] : cases) {
    std::vector<std::string> arguments = {"sample", "--model", "runs/a"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 2) << part << ": " << result.err;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
    EXPECT_EQ(result.out, "");
  }
}

// The tensors that `ddpm denoise` and `--noise` read are data, not models: exit code 3.
TEST_F(BadModel, BadTensorsToComputeWith) {
  const std::array<float, 256> x{};
  const std::vector<TensorView> only_sample = {
      {"sample", DType::kF32, {1, 1, 16, 16}, std::as_bytes(std::span(x))}};
  write_safetensors(folder_ / "half.safetensors", only_sample);
  const std::array<std::int64_t, 1> t{};
  const std::vector<TensorView> odd = {
      {"sample", DType::kF32, {1, 1, 15, 13}, std::as_bytes(std::span(x).first(195))},
      {"timestep", DType::kI64, {1}, std::as_bytes(std::span(t))}};
  write_safetensors(folder_ / "odd.safetensors", odd);
  const ProgramResult odd_size = run({"denoise", "--model", "runs/a", "--input", "odd.safetensors",
                                      "--output", "out.safetensors"});
  EXPECT_EQ(odd_size.code, 3) << odd_size.err;
  EXPECT_TRUE(contains(odd_size.err, "odd.safetensors: 'sample' has images of 13x15 pixels"))
      << odd_size.err;
  folder_.write("text.safetensors", "no tensors");
  for (const char* file : {"nowhere.safetensors", "text.safetensors", "half.safetensors"}) {
    const ProgramResult denoised =
        run({"denoise", "--model", "runs/a", "--input", file, "--output", "out.safetensors"});
    EXPECT_EQ(denoised.code, 3) << denoised.err;
    EXPECT_TRUE(contains(denoised.err, file)) << denoised.err;
    EXPECT_EQ(denoised.out, "");
    EXPECT_FALSE(fs::exists(folder_ / "out.safetensors"));
    const ProgramResult sampled = run({"sample", "--model", "runs/a", "--noise", file});
    EXPECT_EQ(sampled.code, 3) << sampled.err;
    EXPECT_TRUE(contains(sampled.err, file)) << sampled.err;
    EXPECT_FALSE(fs::exists(folder_ / "samples"));
  }
}

}  // namespace
}  // namespace ddpm
