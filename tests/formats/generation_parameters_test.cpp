#include "ddpm/formats/generation_parameters.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

// A text as stable-diffusion-webui 1.9 writes it.
constexpr const char* kText =
    "a red fox, (snow:1.2)\nsecond line\nNegative prompt: blurry,\nbad hands\nSteps: 20, Sampler: DPM++ "
    "2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 6ce0161689, "
    "Model: v1-5-pruned-emaonly, Lora hashes: \"style: 1234, other: \\\"5\\\"\", Version: v1.9.4";

TEST(GenerationParameters, AreReadAsWebuiWritesThem) {
  const GenerationParameters parameters = parse_generation_parameters(kText);
  EXPECT_EQ(parameters.prompt, "a red fox, (snow:1.2)\nsecond line");
  EXPECT_EQ(parameters.negative_prompt, "blurry,\nbad hands");
  ASSERT_EQ(parameters.settings.size(), 10);
  EXPECT_EQ(*parameters.find("Sampler"), "DPM++ 2M");
  EXPECT_EQ(*parameters.find("Size"), "512x768");
  EXPECT_EQ(*parameters.find("Lora hashes"), "style: 1234, other: \"5\"");
  EXPECT_EQ(*parameters.find("Version"), "v1.9.4");
  EXPECT_EQ(parameters.find("Steps:"), nullptr);
}

TEST(GenerationParameters, AreWrittenAsWebuiWritesThem) {
  EXPECT_EQ(to_text(parse_generation_parameters(kText)), kText);
  const GenerationParameters plain{.prompt = "a fox", .settings = {{"Steps", "5"}, {"Seed", "1"}}};
  EXPECT_EQ(to_text(plain), "a fox\nSteps: 5, Seed: 1");
}

TEST(GenerationParameters, AreAPromptAloneIfThereAreNoSettings) {
  for (const char* text : {"a fox", "a fox: red, white: snow", "Steps are steep\nand long"}) {
    const GenerationParameters parameters = parse_generation_parameters(text);
    EXPECT_EQ(parameters.prompt, text);
    EXPECT_TRUE(parameters.settings.empty());
  }
  const GenerationParameters negative = parse_generation_parameters("Negative prompt: blurry");
  EXPECT_EQ(negative.prompt, "");
  EXPECT_EQ(negative.negative_prompt, "blurry");
  EXPECT_EQ(parse_generation_parameters("").prompt, "");
}

}  // namespace
}  // namespace ddpm
