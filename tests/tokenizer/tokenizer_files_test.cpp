// The folders in tests/tokenizer and the ids were made by transformers (tests/golden/clip_tokens.py).
#include "ddpm/tokenizer/tokenizer_files.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "support/files.h"

namespace ddpm {
namespace {

using Ids = std::vector<TokenId>;
using nlohmann::json;

const std::filesystem::path kFolder = std::filesystem::path(DDPM_SOURCE_DIR) / "tests/tokenizer";

json read(const char* name) { return json::parse(read_file(kFolder / name)); }

TEST(TokenizerFiles, GiveTheIdsOfTransformers) {
  json texts = read("clip_tokens.json")["texts"];
  texts.push_back("a <cat-toy>!");
  const json expected = read("small_tokens.json");
  ASSERT_EQ(expected.size(), 5);
  for (const auto& [name, ids] : expected.items()) {
    const ClipTokenizer tokenizer = read_clip_tokenizer(kFolder / name);
    for (std::size_t i = 0; i < ids.size(); ++i)
      EXPECT_EQ(tokenizer.ids(texts[i].get<std::string>()), ids[i].get<Ids>())
          << name << ": " << texts[i];
    const bool exclamation = name.find("exclamation") != std::string::npos;
    EXPECT_EQ(tokenizer.tokens().start, 552) << name;
    EXPECT_EQ(tokenizer.tokens().end, 553) << name;
    EXPECT_EQ(tokenizer.tokens().pad, exclamation ? 0 : 553) << name;
  }
}

TEST(TokenizerFiles, AreFoundInsideAModel) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "tokenizer");
  for (const char* name : {"vocab.json", "merges.txt"})
    std::filesystem::copy(kFolder / "small" / name, folder / "tokenizer" / name);
  EXPECT_EQ(read_clip_tokenizer(folder.path()).vocabulary().size(), 554);
}

std::string error_of(const std::function<void()>& read) {
  try {
    read();
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "";
}

TEST(TokenizerFiles, RefusesOtherTokenizers) {
  json document = json::parse(read_file(kFolder / "small_json/tokenizer.json"));
  const auto error_with = [&](const char* pointer, const json& value) {
    json changed = document;
    changed[json::json_pointer(pointer)] = value;
    return error_of([&] { clip_tokenizer_of_json(changed, "t.json"); });
  };
  EXPECT_EQ(error_with("/model/type", "Unigram"),
            "t.json: model: type = \"Unigram\": only BPE is known");
  EXPECT_NE(error_with("/model/end_of_word_suffix", "").find("\"</w>\""), std::string::npos);
  EXPECT_NE(error_with("/model/merges/0", json::array({"i"})).find("pairs"), std::string::npos);
  EXPECT_NE(error_with("/model/merges/0", json::array({"i", "zzz"})).find("'zzz'"),
            std::string::npos);
  EXPECT_NE(error_with("/model/vocab/in", 3).find("not unique"), std::string::npos);
  EXPECT_NE(error_with("/model/vocab/in", -3).find("[0, "), std::string::npos);
  EXPECT_NE(error_with("/model/vocab/in", 1e9).find("[0, "), std::string::npos);
  EXPECT_NE(error_with("/added_tokens/0/lstrip", true).find("lstrip"), std::string::npos);
  EXPECT_NE(error_with("/model/unk_token", "<unk>").find("'<unk>'"), std::string::npos);
}

TEST(TokenizerFiles, SaysWhatIsMissing) {
  const testing::TemporaryFolder folder;
  EXPECT_NE(error_of([&] { read_clip_tokenizer(folder.path()); }).find("vocab.json"),
            std::string::npos);
  std::filesystem::copy(kFolder / "small/vocab.json", folder / "vocab.json");
  EXPECT_NE(error_of([&] { read_clip_tokenizer(folder.path()); }).find("merges.txt"),
            std::string::npos);
  folder.write("merges.txt", "#version: 0.2\ni n g\n");
  EXPECT_NE(error_of([&] { read_clip_tokenizer(folder.path()); }).find("'i n g'"),
            std::string::npos);
}

}  // namespace
}  // namespace ddpm
