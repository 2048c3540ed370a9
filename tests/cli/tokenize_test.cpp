// `ddpm tokenize` as a user calls it. The ids are those of transformers.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::ProgramResult;
using testing::TemporaryFolder;

class Tokenize : public ::testing::Test {
 protected:
  ProgramResult tokenize(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "tokenize");
    return testing::run_program(folder_.path(), arguments);
  }

  const TemporaryFolder folder_;
};

TEST_F(Tokenize, ShowsIdsAndPieces) {
  const ProgramResult result = tokenize({"a photo of a CAT"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "       1    320  a</w>\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "       5   2368  cat</w>\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "7 of 77 tokens used; the others are 49407\n")) << result.out;
}

TEST_F(Tokenize, SaysWhatIsCut) {
  std::string prompt;
  for (int i = 0; i < 75; ++i) prompt += "a ";
  const ProgramResult result = tokenize({prompt + "photo of foxes"});
  EXPECT_TRUE(contains(result.out, "77 of 77 tokens used\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "cut, 3 tokens: photo of foxes\n")) << result.out;
}

TEST_F(Tokenize, PrintsJson) {
  const ProgramResult result = tokenize({"cat!! 猫", "--padding", "exclamation", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto chunk = nlohmann::json::parse(result.out)["chunks"][0];
  EXPECT_EQ(chunk["ids"].size(), 77);
  EXPECT_EQ(chunk["used"], 8);
  const std::vector<int> first(chunk["ids"].begin(), chunk["ids"].begin() + 8);
  EXPECT_EQ(first, (std::vector<int>{49406, 2368, 0, 0, 163, 234, 360, 49407}));
}

TEST_F(Tokenize, UnderstandsWeights) {
  const ProgramResult result = tokenize({"a (cat:1.3) BREAK dog", "--weights", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto chunks = nlohmann::json::parse(result.out)["chunks"];
  ASSERT_EQ(chunks.size(), 2);
  EXPECT_EQ(chunks[0]["pieces"][2], "cat</w>");
  EXPECT_EQ(chunks[0]["weights"], (std::vector<double>{1, 1, 1.3, 1}));
  EXPECT_EQ(chunks[1]["ids"][1], 1929);
}

TEST_F(Tokenize, ReadsTheFilesOfAModel) {
  const std::string small = std::string(DDPM_SOURCE_DIR) + "/tests/tokenizer/small_json";
  const ProgramResult result = tokenize({"a <cat-toy>", "--tokenizer", small});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "<cat-toy>")) << result.out;
}

TEST_F(Tokenize, RefusesWhatIsWrong) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"caf\xE9"}, "'caf\\xE9' is not valid UTF-8"},
      {{"caf\xE9 (x)", "--weights"}, "UTF-8"},
      {{"(a:1.2.3)", "--weights"}, "'1.2.3'"},
      {{"a", "--padding", "none"}, "choose from end, zero, exclamation"},
      {{"a", "--tokenizer", "missing"}, "'missing' is not a folder"},
      {{"a", "--tokenizer", ".", "--padding", "end"}, "--padding"},
  };
  for (const auto& [arguments, message] : cases) {
    const ProgramResult result = tokenize(arguments);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_TRUE(contains(result.err, message)) << result.err;
  }
  const ProgramResult empty = tokenize({"a", "--tokenizer", "."});
  EXPECT_EQ(empty.code, 4);
  EXPECT_TRUE(contains(empty.err, "vocab.json")) << empty.err;
}

}  // namespace
}  // namespace ddpm
