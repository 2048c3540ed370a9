#include "ddpm/config/color.h"

#include <gtest/gtest.h>

#include <regex>

namespace ddpm {
namespace {

using Rgb8 = std::array<std::uint8_t, 3>;

TEST(Colors, AreNamesAndHexadecimalDigits) {
  EXPECT_EQ(parse_color("white"), (Rgb8{255, 255, 255}));
  EXPECT_EQ(parse_color("black"), (Rgb8{0, 0, 0}));
  EXPECT_EQ(parse_color("#00fF7a"), (Rgb8{0, 255, 122}));
}

TEST(Colors, ThePatternMatchesWhatIsParsed) {
  const std::regex pattern(color_pattern());
  for (const char* text : {"white", "black", "grey", "#00fF7a"})
    EXPECT_TRUE(std::regex_match(text, pattern)) << text;
  for (const char* text : {"", "red", "#00ff7", "#00ff7aa", "00ff7a", "whiteblack"})
    EXPECT_FALSE(std::regex_match(text, pattern)) << text;
  EXPECT_EQ(color_pattern_text(), "white | black | grey | #rrggbb");
}

}  // namespace
}  // namespace ddpm
