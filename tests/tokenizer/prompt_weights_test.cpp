// Expected values are those that stable-diffusion-webui's parser and chunker give.
#include "ddpm/tokenizer/prompt_weights.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

using Parts = std::vector<std::pair<std::string, double>>;

void expect_parts(const std::string& prompt, const Parts& expected) {
  const std::vector<WeightedText> texts = parse_prompt_weights(prompt);
  ASSERT_EQ(texts.size(), expected.size()) << prompt;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i].text, expected[i].first) << prompt;
    EXPECT_NEAR(texts[i].weight, expected[i].second, 1e-6) << prompt;
  }
}

TEST(PromptWeights, MultiplyWhatBracketsHold) {
  expect_parts("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", {{"a ", 1},
                                                                       {"house", 1.573},
                                                                       {" ", 1.1},
                                                                       {"on", 1},
                                                                       {" a ", 1.1},
                                                                       {"hill", 0.55},
                                                                       {", sun, ", 1.1},
                                                                       {"sky", 1.4641},
                                                                       {".", 1.1}});
  expect_parts("(unnecessary)(parens)", {{"unnecessaryparens", 1.1}});
  expect_parts("(a:1.2", {{"a:1.2", 1.1}});
  expect_parts("((a):2)", {{"a", 2.2}});
  expect_parts("[[x]]", {{"x", 0.826446}});
  expect_parts("(a [b] c:1.5)", {{"a ", 1.5}, {"b", 1.363636}, {" c", 1.5}});
  expect_parts("(a: -1.5 )", {{"a", -1.5}});
}

TEST(PromptWeights, LeaveOtherTextAlone) {
  expect_parts("", {{"", 1}});
  expect_parts("()", {{"", 1}});
  expect_parts(R"(\(literal\])", {{"(literal]", 1}});
  expect_parts(R"(a\b\\c)", {{R"(ab\c)", 1}});
  expect_parts("a:1.3) b] c:d", {{"a:1.3) b] c:d", 1}});
  expect_parts("[a:1.3]", {{"a:1.3", 1 / 1.1}});
}

TEST(PromptWeights, KnowBreakOutsideOfBrackets) {
  expect_parts("a  BREAK b", {{"a", 1}, {"BREAK", -1}, {"b", 1}});
  EXPECT_TRUE(parse_prompt_weights("a BREAK b")[1].is_break);
  expect_parts("(a BREAK b:1.2)", {{"a", 1.2}, {"BREAK", -1.2}, {"b", 1.2}});
  EXPECT_FALSE(parse_prompt_weights("(a BREAK b:1.2)")[1].is_break);
  expect_parts("aBREAK BREAKs _BREAK", {{"aBREAK BREAKs _BREAK", 1}});
  expect_parts("\u00C9BREAK BREAK\u732B", {{"\u00C9BREAK BREAK\u732B", 1}});
  expect_parts("\u3002BREAK\u3002", {{"\u3002", 1}, {"BREAK", -1}, {"\u3002", 1}});
}

TEST(PromptWeights, RefuseNumbersThatAreNone) {
  try {
    parse_prompt_weights("(a:1.2.3)");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("'1.2.3'"), std::string::npos) << error.what();
  }
}

// "word" so many times, each with a blank before it.
std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += " word";
  return text;
}

const ClipTokenizer& tokenizer() {
  static const ClipTokenizer kTokenizer = ClipTokenizer::of_clip();
  return kTokenizer;
}

std::vector<PromptChunk> chunks_of(const std::string& prompt) {
  return chunk_prompt(parse_prompt_weights(prompt), tokenizer());
}

TEST(PromptChunks, HaveTheLengthsOfTheOriginal) {
  const std::vector<std::pair<std::string, std::vector<std::size_t>>> cases = {
      {words(75), {75}},
      {words(76), {75, 1}},
      {words(60) + "," + words(30), {61, 30}},
      {words(50) + "," + words(40), {75, 16}},
      {words(75) + ", more", {75, 2}},
      {words(74) + ", more, x", {75, 3}},
      {"a BREAK b", {1, 1}},
      {"BREAK", {0}},
      {words(75) + " BREAK b", {75, 1}},
      {"a BREAK", {1}},
      {"", {0}},
  };
  for (const auto& [prompt, lengths] : cases) {
    std::vector<std::size_t> actual;
    for (const PromptChunk& chunk : chunks_of(prompt)) {
      actual.push_back(chunk.ids.size());
      EXPECT_EQ(chunk.weights.size(), chunk.ids.size());
    }
    EXPECT_EQ(actual, lengths) << prompt;
  }
}

// A bracket ends a word, as in the original, which tokenises each text by itself.
TEST(PromptChunks, GiveEachIdTheWeightOfItsText) {
  const PromptChunk chunk = chunks_of("ca(t:1.5) dog").front();
  EXPECT_EQ(chunk.ids, (std::vector<TokenId>{1684, 339, 1929}));
  EXPECT_EQ(chunk.weights, (std::vector<double>{1, 1.5, 1}));
}

}  // namespace
}  // namespace ddpm
