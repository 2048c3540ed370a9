// Texts that nobody has checked, file names above all, must be harmless where they are shown.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "support/files.h"

namespace ddpm {
namespace {

using testing::content_of;

TEST(Printable, LeavesOrdinaryTextsAlone) {
  for (const std::string text :
       {"", "a b\\c.png", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(valid_utf8(text), text);
  }
}

TEST(Printable, EscapesWhatATerminalObeys) {
  EXPECT_EQ(printable("a\x1B[31m\r\x7F" + std::string(1, '\0')), "a\\x1B[31m\\x0D\\x7F\\x00");
  EXPECT_EQ(printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(printable("a\nb\tc\r", /*keep_lines=*/true), "a\nb\tc\\x0D");
  EXPECT_EQ(printable("\xC2\x9B"), "\\xC2\\x9B");  // U+009B, as ESC [
  EXPECT_EQ(printable("\xC2\xA0"), "\xC2\xA0");
  EXPECT_EQ(shown("x\n.png"), "x\\n.png");
}

// The examples are those of the Unicode Standard, table 3-7, and its neighbours.
TEST(Printable, EscapesWhatIsNotUtf8) {
  for (const auto& [text, expected] : {std::pair{"caf\xE9", "caf\\xE9"},
                                       {"\xC0\xAF", "\\xC0\\xAF"},           // too long
                                       {"\xE0\x9F\xBF", "\\xE0\\x9F\\xBF"},  // too long
                                       {"\xED\xA0\x80", "\\xED\\xA0\\x80"},  // a surrogate
                                       {"\xF4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
                                       {"\xF0\x8F\xBF\xBF", "\\xF0\\x8F\\xBF\\xBF"},
                                       {"\x80"
                                        "a",
                                        "\\x80"
                                        "a"},
                                       {"\xE2\x82", "\\xE2\\x82"},  // cut
                                       {"\xE2\x82"
                                        "a",
                                        "\\xE2\\x82"
                                        "a"}}) {
    EXPECT_EQ(valid_utf8(text), expected);
    EXPECT_EQ(printable(text), expected);
  }
  EXPECT_EQ(valid_utf8("a\x1B\n"), "a\x1B\n");
}

TEST(DumpJson, IsValidWhateverItHolds) {
  const nlohmann::ordered_json value = {{"b", "caf\xE9\x1B\n"},
                                        {"a", {1, "\xFF", {{"\xFE", 2.5}}}}};
  for (const int indent : {-1, 2}) {
    const auto read = nlohmann::json::parse(dump_json(value, indent));
    EXPECT_EQ(read["b"], "caf\\xE9\x1B\n");
    EXPECT_EQ(read["a"][1], "\\xFF");
    EXPECT_EQ(read["a"][2]["\\xFE"], 2.5);
  }
  EXPECT_EQ(dump_json({{"b", 1}, {"a", true}}), R"({"b":1,"a":true})");
}

TEST(Log, ShowsNothingRaw) {
  const testing::TemporaryFolder folder;
  ::testing::internal::CaptureStderr();
  set_up_logging({.file = folder / "a.log"});
  log_warning("file {}", "a\x1B[2J\xE9");
  log_info("two\nlines");
  set_up_logging({});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "file a\\x1B[2J\\xE9\ntwo\nlines\n");
  EXPECT_TRUE(testing::contains(content_of(folder / "a.log"), "file a\\x1B[2J\\xE9\n"));
}

// Different texts stay different, and those without escapes are as they were.
TEST(Escaped, TellsTextsApart) {
  EXPECT_EQ(escaped("a\nb"), "a\\nb");
  EXPECT_EQ(escaped("a\\nb"), "a\\\\nb");
  EXPECT_EQ(escaped("a\\b caf\xC3\xA9"), "a\\b caf\xC3\xA9");
  EXPECT_EQ(escaped("a\\\x01"), "a\\\\\\x01");
  // All texts of up to five of these characters.
  const std::string alphabet = "\\nx0\n\xE9";
  std::set<std::string> seen;
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(seen.insert(escaped(texts[i])).second) << escaped(texts[i]);
    EXPECT_EQ(printable(escaped(texts[i])), escaped(texts[i]));
    if (texts[i].size() == 5) continue;
    for (const char c : alphabet) texts.push_back(texts[i] + c);
  }
}

}  // namespace
}  // namespace ddpm
