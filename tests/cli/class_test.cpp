// Class-conditional models and the DDIM sampler, used through the commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include <nlohmann/json.hpp>

#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

constexpr const char* kConfig = R"({
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true],
            "groups": 4, "final_groups": 4, "dropout": 0, "class_embedding": "table", "classes": 10},
  "data": {"height": 8},
  "diffusion": {"timesteps": 20, "variance": "fixed_small"},
  "training": {"steps": 2, "batch_size": 4, "warmup_steps": 0, "ema_decay": 0, "log_every": 1, "sample_every": 2,
               "sample_count": 2, "sample_steps": 2},
  "sampling": {"count": 3, "steps": 4}
})";

class Classes : public testing::TinyRun {
 protected:
  Classes() { folder_.write("tiny.json", kConfig); }
  ProgramResult sample(const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"sample", "--model", "runs/a", "--output", output};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  // Writes the input of ddpm denoise for two images of 1x8x8.
  void write_input(const std::vector<std::int64_t>& labels) {
    const std::vector<float> pixels(2 * 64, 0.5F);
    const std::vector<std::int64_t> t = {3, 19};
    std::vector<TensorView> views = {
        {"sample", DType::kF32, {2, 1, 8, 8}, std::as_bytes(std::span(pixels))},
        {"timestep", DType::kI64, {2}, std::as_bytes(std::span(t))}};
    const auto count = static_cast<std::int64_t>(labels.size());
    if (count > 0)
      views.push_back({"class_labels", DType::kI64, {count}, std::as_bytes(std::span(labels))});
    write_safetensors(folder_ / "in.safetensors", views, {});
  }
  ProgramResult denoise(const std::vector<std::int64_t>& labels, const std::string& output) {
    write_input(labels);
    return run({"denoise", "--model", "runs/a", "--input", "in.safetensors", "--output", output});
  }
};

TEST_F(Classes, AreLearnedSampledAndEvaluated) {
  ASSERT_EQ(train().code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/samples/step_00000002.png"));
  ASSERT_EQ(sample("three.safetensors", {"--class", "3"}).code, 0);
  ASSERT_EQ(sample("four.safetensors", {"--class", "4"}).code, 0);
  ASSERT_EQ(sample("drawn.safetensors").code, 0);
  EXPECT_NE(content_of(folder_ / "three.safetensors"), content_of(folder_ / "four.safetensors"));
  EXPECT_NE(content_of(folder_ / "drawn.safetensors"), content_of(folder_ / "four.safetensors"));
  // The texts in PNG files say which class the image shows.
  ASSERT_EQ(
      run({"sample", "--model", "runs/a", "--class", "7", "--count", "1", "--output", "png"}).code,
      0);
  const PngText text = read_png_text(folder_ / "png/000000.png");
  EXPECT_NE(std::ranges::find(text, std::pair<std::string, std::string>("class", "7")), text.end());
  ASSERT_EQ(denoise({3, 9}, "one").code, 0);
  ASSERT_EQ(denoise({3, 8}, "two").code, 0);
  EXPECT_NE(content_of(folder_ / "one"), content_of(folder_ / "two"));
}

TEST_F(Classes, ThatDoNotExistAreRefused) {
  ASSERT_EQ(train().code, 0);
  const ProgramResult unknown = sample("out.safetensors", {"--class", "10"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(contains(unknown.err, "0 to 9")) << unknown.err;
  for (const auto& [labels, words] :
       std::vector<std::pair<std::vector<std::int64_t>, std::string>>{{{}, "no 'class_labels'"},
                                                                      {{3, 10}, "outside 0 to 9"},
                                                                      {{3}, "int64 [2]"},
                                                                      {{-1, 3}, "outside"}}) {
    const ProgramResult result = denoise(labels, "out");
    EXPECT_EQ(result.code, 3);
    EXPECT_TRUE(contains(result.err, words)) << result.err;
  }
}

TEST_F(Classes, MustCoverTheData) {
  const ProgramResult few = train({"--set", "model.classes=9"});
  EXPECT_EQ(few.code, 2);
  EXPECT_TRUE(contains(few.err, "model.classes = 9: there are images of class 9")) << few.err;
}

TEST_F(Classes, AreNothingToAnUnconditionalNetwork) {
  ASSERT_EQ(train({"--set", "model.class_embedding=none", "--set", "model.classes=0"}).code, 0);
  const ProgramResult result = sample("out.safetensors", {"--class", "1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "network is unconditional")) << result.err;
  EXPECT_EQ(denoise({1, 1}, "out").code, 3);
}

TEST_F(Classes, DdimNeedsNoNoise) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(sample("ddim.safetensors", {"--sampler", "ddim"}).code, 0);
  ASSERT_EQ(sample("noisy.safetensors", {"--sampler", "ddim", "--eta", "1"}).code, 0);
  ASSERT_EQ(sample("ddpm.safetensors").code, 0);
  EXPECT_NE(content_of(folder_ / "ddim.safetensors"), content_of(folder_ / "ddpm.safetensors"));
  EXPECT_NE(content_of(folder_ / "ddim.safetensors"), content_of(folder_ / "noisy.safetensors"));
  EXPECT_EQ(sample("out.safetensors", {"--sampler", "ddim", "--eta", "1.5"}).code, 2);
}

TEST_F(Classes, VariancesAreLearnedBesideTheMean) {
  const ProgramResult fixed = train({"--set", "model.predicts_variance=true"});
  EXPECT_EQ(fixed.code, 2);
  EXPECT_TRUE(contains(fixed.err, "set diffusion.variance=learned_range")) << fixed.err;
  const std::vector<std::string> learned = {"--set", "model.predicts_variance=true", "--set",
                                            "diffusion.variance=learned_range"};
  const ProgramResult trained = train(learned);
  ASSERT_EQ(trained.code, 0) << trained.err;
  ASSERT_EQ(sample("out.safetensors").code, 0);
  EXPECT_EQ(denoise({1, 1}, "both").code, 0);
  const SafetensorsFile output(folder_ / "both");
  EXPECT_EQ(output.get("prediction").shape, (std::vector<std::int64_t>{2, 2, 8, 8}));
}

TEST_F(Classes, InspectTellsTwoModelsApart) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(train({"--set", "run.name=b", "--set", "model.classes=11", "--seed", "1"}).code, 0);
  const auto diff = [&](const char* a, const char* b) {
    const ProgramResult result = run({"inspect", "--diff", a, b, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  const auto same = diff("runs/a", "runs/a");
  EXPECT_EQ(same["different_tensors"], 0);
  EXPECT_EQ(same["settings"].size(), 0);
  EXPECT_GT(same["equal_tensors"], 10);
  const auto other = diff("runs/a", "runs/b");
  EXPECT_EQ(
      other["settings"],
      nlohmann::json::array({nlohmann::json{{"key", "model.classes"}, {"a", 10}, {"b", 11}}}));
  EXPECT_EQ(other["shapes"],
            nlohmann::json::array({nlohmann::json{
                {"name", "class_embedding.weight"}, {"a", {10, 32}}, {"b", {11, 32}}}}));
  const std::string text = run({"inspect", "--diff", "runs/a", "runs/b"}).out;
  for (const char* part :
       {"model.classes: 10 -> 11\n", "class_embedding.weight: [10,32] -> [11,32]\n"})
    EXPECT_TRUE(testing::contains(text, part)) << text;
  EXPECT_GT(other["largest_relative_difference"], 0);
  EXPECT_EQ(other["differences"].size(), other["different_tensors"]);
  EXPECT_EQ(run({"inspect", "--diff", "runs/a", "nowhere"}).code, 4);
}

}  // namespace
}  // namespace ddpm
