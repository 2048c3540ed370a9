// What users of networks with transformers see.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/formats/safetensors.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class StableDiffusionProgram : public testing::TinyRun {
 protected:
  static inline const std::string kConfigs = DDPM_SOURCE_DIR "/configs/";

  static TensorView view(const std::string& name, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
    return {name, DType::kF32, std::move(shape), std::as_bytes(std::span(values))};
  }
  // A context of two tokens for each of the ten classes of the embedded pictures.
  void write_contexts(std::int64_t width) {
    std::vector<float> values(static_cast<std::size_t>(20 * width));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3;
    write_safetensors(folder_ / "contexts.safetensors",
                      std::vector{view("contexts", {10, 2, width}, values)}, {});
  }
  ProgramResult train_transformers(std::vector<std::string> more = {}) {
    for (const char* setting :
         {"model.transformer_depth=1", "model.context_width=6", "data.context=contexts.safetensors",
          "training.context_dropout=0.5", "training.sample_every=1", "training.sample_count=3",
          "training.sample_steps=2"}) {
      more.insert(more.begin(), setting);
      more.insert(more.begin(), "--set");
    }
    return train(more);
  }
  ProgramResult denoise(const std::vector<TensorView>& more) {
    const std::vector<float> pixels(2 * 16 * 15, 0.5F);
    const std::vector<std::int64_t> t = {3, 19};
    std::vector<TensorView> views = {view("sample", {2, 1, 16, 15}, pixels),
                                     {"timestep", DType::kI64, {2}, std::as_bytes(std::span(t))}};
    views.insert(views.end(), more.begin(), more.end());
    write_safetensors(folder_ / "in.safetensors", views, {});
    return run({"denoise", "--model", "runs/a", "--input", "in.safetensors", "--output",
                "out.safetensors", "--overwrite"});
  }
};

// The numbers are those of the original classes.
TEST_F(StableDiffusionProgram, ConfigsAreThePublishedNetworks) {
  for (const auto& [name, parameters, tensors] : {std::tuple{"sd-v1", 859520964, 686},
                                                  {"sd-v2", 865910724, 686},
                                                  {"sd-v2-v", 865910724, 686},
                                                  {"sd-v1-inpaint", 859535364, 686}}) {
    const ProgramResult result = run({"inspect", kConfigs + name + ".json", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    const json network = json::parse(result.out);
    EXPECT_EQ(network.at("parameters"), parameters) << name;
    EXPECT_EQ(network.at("parameter_tensors"), tensors) << name;
  }
  const ProgramResult xl = run({"inspect", kConfigs + "sdxl-base.json", "--json"});
  EXPECT_EQ(json::parse(xl.out).at("parameters"), 2567463684) << xl.err;
}

TEST_F(StableDiffusionProgram, TrainsOnContextsAndEvaluatesWithThem) {
  write_contexts(6);
  const ProgramResult trained = train_transformers();
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "runs/a/samples/step_00000002.png"));
  const std::vector<float> context(2 * 5 * 6, 0.25F), wide(2 * 5 * 8, 0.25F);
  ASSERT_EQ(denoise({view("encoder_hidden_states", {2, 5, 6}, context)}).code, 0);
  EXPECT_EQ(SafetensorsFile(folder_ / "out.safetensors").get("prediction").shape,
            (std::vector<std::int64_t>{2, 1, 16, 15}));
  const ProgramResult without = denoise({});
  EXPECT_EQ(without.code, 3);
  EXPECT_TRUE(contains(without.err, "no 'encoder_hidden_states'")) << without.err;
  const ProgramResult other = denoise({view("encoder_hidden_states", {2, 5, 8}, wide)});
  EXPECT_EQ(other.code, 3);
  EXPECT_TRUE(contains(other.err, "'encoder_hidden_states' must be float32 [2,any,6]"))
      << other.err;
  const ProgramResult sampled = run({"sample", "--model", "runs/a", "--output", "x.png"});
  EXPECT_NE(sampled.code, 0);
  EXPECT_TRUE(contains(sampled.err, "follow a text, which --prompt gives")) << sampled.err;
}

TEST_F(StableDiffusionProgram, NamesWhatTrainingLacks) {
  const auto expect = [&](std::vector<std::string> settings, int code, const char* words) {
    std::vector<std::string> more;
    for (std::string& setting : settings) {
      more.emplace_back("--set");
      more.push_back(std::move(setting));
    }
    const ProgramResult result = train(more);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(contains(result.err, words)) << result.err;
    EXPECT_FALSE(trained());
  };
  expect({"model.transformer_depth=1"}, 2, "set model.context_width");
  expect({"model.context_width=6"}, 2, "set model.transformer_depth=1");
  expect({"model.transformer_depth=1", "model.context_width=6"}, 2, "set data.context");
  expect({"data.context=contexts.safetensors"}, 2, "the network has no transformers");
  expect({"model.vector_width=6"}, 2, "model.vector_width = 6");
  expect({"model.in_channels=9"}, 2, "model.in_channels = 9");
  expect({"model.attention_heads=[2,3]"}, 2, "cannot be divided evenly");
  expect({"data.source=latents", "data.path=x.safetensors"}, 2, "diffusion.clip_x0=false");
  write_contexts(8);
  expect(
      {"model.transformer_depth=1", "model.context_width=6", "data.context=contexts.safetensors"},
      3, "have 8 channels; model.context_width is 6");
}

}  // namespace
}  // namespace ddpm
