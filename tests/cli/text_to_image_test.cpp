// What users of text-to-image models see. The model works on pixels; its text encoder lies in its folder.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/image/codec.h"
#include "support/text_encoder.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class TextToImageProgram : public testing::TinyRun {
 protected:
  TextToImageProgram() {
    std::vector<float> contexts(20 * 8, 0.5F);
    write_safetensors(
        folder_ / "contexts.safetensors",
        std::vector<TensorView>{
            {"contexts", DType::kF32, {10, 2, 8}, std::as_bytes(std::span(contexts))}},
        {});
    std::vector<std::string> settings;
    for (const char* setting :
         {"model.transformer_depth=1", "model.context_width=8", "data.context=contexts.safetensors",
          "training.steps=1", "model.initialization=pytorch"}) {
      settings.emplace_back("--set");
      settings.emplace_back(setting);
    }
    const ProgramResult trained = train(settings);
    EXPECT_EQ(trained.code, 0) << trained.err;
    testing::write_text_encoder(folder_ / "runs/a/text_encoder", 8);
  }

  ProgramResult sample(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample", "--model",   "runs/a", "--steps",
                                          "2",      "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  std::vector<std::uint8_t> pixels(const std::string& name) {
    return read_image(folder_ / name).pixels;
  }
};

TEST_F(TextToImageProgram, DrawsWhatThePromptsSay) {
  const ProgramResult fox = sample({"--prompt", "a red fox", "--output", "fox.png"});
  ASSERT_EQ(fox.code, 0) << fox.err;
  ASSERT_EQ(sample({"--prompt", "a blue car", "--output", "car.png"}).code, 0);
  EXPECT_NE(pixels("fox.png"), pixels("car.png"));
  // Several prompts: image i follows prompt i. The batch size does not matter.
  folder_.write("prompts.txt", "a red fox\na blue car\n");
  const ProgramResult both = sample({"--prompts", "prompts.txt", "--output", "both"});
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_EQ(pixels("both/000000.png"), pixels("fox.png"));
  EXPECT_NE(pixels("both/000001.png"), pixels("car.png"));  // another image of the seed
  const ProgramResult sheet = sample({"--prompts", "prompts.txt", "--output", "sheet.png"});
  ASSERT_EQ(sheet.code, 0) << sheet.err;
  for (const auto& [keyword, text] : read_png_text(folder_ / "sheet.png")) {
    EXPECT_NE(keyword, "parameters") << "it is not of one prompt";
    if (keyword == "prompts") {
      EXPECT_EQ(text, "a red fox\na blue car");
    }
  }
  const ProgramResult guided = sample({"--prompt", "a red fox", "--negative", "a blue car",
                                       "--guidance", "3", "--output", "guided.png"});
  ASSERT_EQ(guided.code, 0) << guided.err;
  EXPECT_NE(pixels("guided.png"), pixels("fox.png"));
}

TEST_F(TextToImageProgram, TellsHowAPictureWasDrawnAndDrawsItAgain) {
  const std::vector<std::string> options = {"--prompt",    "ein (Fuchs:1.3), 狐",
                                            "--negative",  "grau",
                                            "--guidance",  "2.5",
                                            "--sampler",   "Euler",
                                            "--sigmas",    "karras",
                                            "--sigma-max", "5",
                                            "--seed",      "9",
                                            "--count",     "2"};
  std::vector<std::string> first = options;
  first.insert(first.end(), {"--output", "first"});
  const ProgramResult drawn = sample(first);
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const ProgramResult told = run({"inspect", "first/000001.png", "--json"});
  ASSERT_EQ(told.code, 0) << told.err;
  const std::string parameters = json::parse(told.out)["texts"]["parameters"];
  EXPECT_TRUE(parameters.starts_with(
      "ein (Fuchs:1.3), 狐\nNegative prompt: grau\nSteps: 2, Sampler: Euler, Schedule type: Karras, Schedule "
      "max sigma: 5, CFG scale: 2.5, Seed: 9, Index: 1, Size: 16x16, Model hash: "))
      << parameters;
  const ProgramResult text = run({"inspect", "first/000001.png"});
  EXPECT_TRUE(contains(text.out, "    Negative prompt: grau\n    Steps: 2")) << text.out;
  const ProgramResult again = run({"sample", "--model", "runs/a", "--threads", "1", "--from",
                                   "first/000001.png", "--output", "again.png"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(pixels("again.png"), pixels("first/000001.png"));
}

TEST_F(TextToImageProgram, KnowsTheWordsOfTextualInversions) {
  std::vector<float> vectors(2 * 8, 0.75F);
  write_safetensors(folder_ / "zorb.safetensors",
                    std::vector<TensorView>{
                        {"emb_params", DType::kF32, {2, 8}, std::as_bytes(std::span(vectors))}},
                    {});
  const ProgramResult with =
      sample({"--prompt", "a zorb", "--embedding", "zorb.safetensors", "--output", "with.png"});
  ASSERT_EQ(with.code, 0) << with.err;
  EXPECT_TRUE(contains(with.err, "the word 'zorb' is 2 vectors")) << with.err;
  ASSERT_EQ(sample({"--prompt", "a zorb", "--output", "without.png"}).code, 0);
  EXPECT_NE(pixels("with.png"), pixels("without.png"));
}

TEST_F(TextToImageProgram, NamesWhatIsWrongWithAPrompt) {
  const auto expect = [&](std::vector<std::string> options, int code, const char* words) {
    options.insert(options.end(), {"--output", "none.png"});
    const ProgramResult result = sample(options);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(contains(result.err, words)) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "none.png"));
  };
  expect({}, 2, "its pictures follow a text, which --prompt gives");
  expect({"--negative", "x"}, 2, "--negative: without --prompt it has no effect");
  expect({"--prompt", "\xFF"}, 2, "UTF-8");
  expect({"--prompt", "(x:1.2.3)"}, 2, "1.2.3");
  expect({"--prompt", "x", "--clip-skip", "2"}, 2,
         "--clip-skip 2: the text encoder has only 1 layers");
  expect({"--prompt", "x", "--lora", "no.safetensors:0.5"}, 4, "no.safetensors");
  testing::write_text_encoder(folder_ / "wide", 16);
  expect({"--prompt", "x", "--text-encoder", "wide"}, 2,
         "give a context of 16 channels, but this network takes 8");
  expect({"--prompt", "x", "--text-encoder", "tiny.json"}, 4, "tiny.json");
  folder_.write("empty.txt", "\n");
  expect({"--prompts", "empty.txt"}, 2, "--prompts: there is no prompt in it");
  expect({"--prompt", "x", "--rng", "torch"}, 2, "the sampler ddpm adds noise in its steps");
}

}  // namespace
}  // namespace ddpm
