// Expected ids were computed by transformers (tests/golden/clip_tokens.py).
#include "ddpm/tokenizer/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/tokenizer/unicode.h"

namespace ddpm {
namespace {

using Ids = std::vector<TokenId>;

const nlohmann::json& golden() {
  static const auto kGolden = nlohmann::json::parse(
      read_file(std::filesystem::path(DDPM_SOURCE_DIR) / "tests/tokenizer/clip_tokens.json"));
  return kGolden;
}

const ClipTokenizer& tokenizer() {
  static const ClipTokenizer kTokenizer = ClipTokenizer::of_clip();
  return kTokenizer;
}

const ClipTokenizer& exclamation_tokenizer() {
  static const ClipTokenizer kTokenizer = ClipTokenizer::of_clip(ClipPadding::kExclamation);
  return kTokenizer;
}

// SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t bound) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27U) * 0x94D049BB133111EB;
    return (z ^ z >> 31U) % bound;
  }

 private:
  std::uint64_t state_;
};

// The text of this number in the script.
std::string text_of(std::uint64_t seed) {
  Random random(seed);
  std::string text;
  for (std::uint64_t parts = 1 + random.below(10); parts > 0; --parts) {
    if (random.below(3) == 0) {
      const auto& phrases = golden()["phrases"];
      text += phrases[random.below(phrases.size())].get<std::string>();
      continue;
    }
    const auto& block = golden()["blocks"][random.below(golden()["blocks"].size())];
    const auto first = block[0].get<char32_t>(), last = block[1].get<char32_t>();
    for (std::uint64_t points = 1 + random.below(8); points > 0; --points) {
      append_utf8(text, first + static_cast<char32_t>(random.below(last - first + 1)));
      if (random.below(4) == 0) text += ' ';
    }
  }
  return text;
}

// FNV-1a of the ids as 32-bit little-endian numbers.
std::uint32_t hash_of(const Ids& ids) {
  std::uint32_t hash = 0x811C9DC5;
  for (const TokenId id : ids)
    for (unsigned shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (static_cast<std::uint32_t>(id) >> shift & 0xFFU)) * 0x01000193U;
  return hash;
}

void expect_golden(const ClipTokenizer& tokens, const std::string& key) {
  const auto& texts = golden()["texts"];
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(tokens.ids(texts[i].get<std::string>()), golden()[key][i].get<Ids>()) << texts[i];
  const auto& hashes = golden()[key + "_hashes"];
  ASSERT_GE(hashes.size(), 2000);
  for (std::size_t i = 0; i < hashes.size(); ++i)
    EXPECT_EQ(hash_of(tokens.ids(text_of(i))), hashes[i].get<std::uint32_t>())
        << "text " << i << ": " << text_of(i);
}

TEST(ClipTokenizer, GivesTheIdsOfTransformers) { expect_golden(tokenizer(), "end"); }

TEST(ClipTokenizer, PaddedWithExclamationMarksGivesTheIdsOfTransformers) {
  expect_golden(exclamation_tokenizer(), "exclamation");
}

TEST(ClipTokenizer, PadsAndCutsLikeTransformers) {
  const PaddedPrompt prompt = tokenizer().padded(tokenizer().ids("a photo of a cat"));
  ASSERT_EQ(prompt.ids.size(), 77);
  EXPECT_EQ(Ids(prompt.ids.begin(), prompt.ids.begin() + 7),
            (Ids{49406, 320, 1125, 539, 320, 2368, 49407}));
  EXPECT_EQ(prompt.ids.back(), 49407);
  EXPECT_EQ(prompt.used, 7);
  EXPECT_TRUE(prompt.cut.empty());

  const Ids zero =
      ClipTokenizer::of_clip(ClipPadding::kZero).padded(tokenizer().ids("CAT!!"), 6).ids;
  EXPECT_EQ(zero, (Ids{49406, 2368, 748, 49407, 0, 0}));
  EXPECT_EQ(exclamation_tokenizer().padded(exclamation_tokenizer().ids("CAT!!"), 6).ids,
            (Ids{49406, 2368, 0, 0, 49407, 0}));

  Ids ids;
  for (TokenId i = 0; i < 80; ++i) ids.push_back(i);
  const PaddedPrompt cut = tokenizer().padded(ids);
  EXPECT_EQ(cut.ids.size(), 77);
  EXPECT_EQ(cut.ids[75], 74);
  EXPECT_EQ(cut.ids[76], 49407);
  EXPECT_EQ(cut.used, 77);
  EXPECT_EQ(cut.cut, (Ids{75, 76, 77, 78, 79}));
}

TEST(ClipTokenizer, SaysWhatIdsStandFor) {
  EXPECT_EQ(tokenizer().text_of(tokenizer().ids("  A Photo of  cafés!")), "a photo of cafés !");
}

TEST(ClipTokenizer, RefusesTextsThatAreNotUtf8) {
  for (const char* text : {"caf\xE9", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    try {
      tokenizer().ids(text);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find("UTF-8"), std::string::npos) << error.what();
    }
  }
}

// A merge must not look through the whole word.
TEST(ClipTokenizer, HandlesWordsOfAnyLength) {
  const auto start = std::chrono::steady_clock::now();
  const Ids ids = tokenizer().ids(std::string(50'000, 'a'));
  EXPECT_EQ(ids.front(), 23126);  // 8 letters
  EXPECT_GT(ids.size(), 50'000 / 9);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// As textual inversions add them.
TEST(ClipTokenizer, KnowsFurtherWordsWhereTheyStandAlone) {
  ClipTokenizer tokenizer = ClipTokenizer::of_clip();
  const std::vector<TokenId> fox = tokenizer.ids("fox"), foxy = tokenizer.ids("foxy");
  tokenizer.add_word("Fox", 50000, 3);
  const std::vector<TokenId> own = {50000, 50001, 50002};
  EXPECT_EQ(tokenizer.ids("fox"), own);
  EXPECT_EQ(tokenizer.ids("FOX,").size(), 4);
  EXPECT_EQ(tokenizer.ids("foxy"), foxy);
  EXPECT_EQ(tokenizer.ids("fox1").front(), fox.front());
  tokenizer.add_word("<cat-toy>", 50003, 1);
  EXPECT_EQ(tokenizer.ids("<cat-toy>"), std::vector<TokenId>{50003});
  EXPECT_THROW(tokenizer.add_word("fox", 1, 1), ConfigError);
  EXPECT_THROW(tokenizer.add_word("", 1, 1), ConfigError);
}

}  // namespace
}  // namespace ddpm
