#include "ddpm/tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace ddpm {
namespace {

// U+0000 to U+10FFFF without surrogates; beyond `every`, only each 61st.
template <class Use>
void for_each_code_point(const Use& use, char32_t every = 0x110000) {
  for (char32_t c = 0; c < 0x110000; c += c < every ? 1 : 61)
    if (c < 0xD800 || c >= 0xE000) use(c);
}

TEST(Unicode, CountsTheCodePointsOfItsVersions) {
  std::size_t letters = 0, numbers = 0, spaces = 0, cased = 0;
  std::u32string all;
  const auto count = [&](char32_t c) {
    letters += is_letter(c) ? 1 : 0;
    numbers += is_number(c) ? 1 : 0;
    spaces += is_white_space(c) ? 1 : 0;
    all += c;
  };
  for_each_code_point(count, /*every=*/0x33480);  // there are none of these beyond
  const std::u32string lower = lower_case(all);
  ASSERT_EQ(lower.size(), all.size() + 1);  // U+0130 becomes two
  for (std::size_t i = 0; i < all.size(); ++i)
    cased += lower[i + (i > 0x130 ? 1 : 0)] != all[i] ? 1 : 0;
  // The sums of the general categories L and N in Unicode 16; code points that Unicode 17 lower-cases.
  EXPECT_EQ(letters, 141028);
  EXPECT_EQ(numbers, 1911);
  EXPECT_EQ(spaces, 25);
  EXPECT_EQ(cased, 1488);
}

TEST(Unicode, EncodesAndDecodesEveryCodePoint) {
  for_each_code_point(
      [](char32_t c) {
        std::string text;
        append_utf8(text, c);
        ASSERT_EQ(decode_utf8(text), std::u32string(1, c));
      },
      0x3000);
  EXPECT_FALSE(decode_utf8("\xED\xA0\x80"));  // a surrogate
}

TEST(Unicode, LowersWithoutContext) {
  EXPECT_EQ(lower_case(U"ΟΔΥΣΣΕΎΣ"), U"οδυσσεύσ");
  EXPECT_EQ(lower_case(U"İẞǅ"), U"i\u0307ßǆ");
}

// Lines of the Unicode Character Database's NormalizationTest.txt: source, NFC.
TEST(Unicode, NormalizesAsTheStandardSays) {
  const std::pair<std::u32string, std::u32string> cases[] = {
      {U"\u1E0A\u0323", U"\u1E0C\u0307"},
      {U"D\u0307\u0323", U"\u1E0C\u0307"},
      {U"\u1E0C\u0323\u0307", U"\u1E0C\u0323\u0307"},
      {U"\u212B", U"\u00C5"},
      {U"\u0958", U"\u0915\u093C"},  // excluded from composition
      {U"\u0344", U"\u0308\u0301"},
      {U"\uF900", U"\u8C48"},
      {U"\u1112\u1161\u11AB", U"\uD55C"},
      {U"\uAC00\u11A8", U"\uAC01"},
      {U"\uAC01\u11A8", U"\uAC01\u11A8"},
      {U"a\u0315\u0300\u05AE\u0062", U"\u00E0\u05AE\u0315b"},
      {U"\u0B47\u0300\u0B3E", U"\u0B47\u0300\u0B3E"},
      {U"\u1100\u0300\u1161", U"\u1100\u0300\u1161"},
  };
  for (const auto& [source, expected] : cases) EXPECT_EQ(nfc(source), expected);
}

}  // namespace
}  // namespace ddpm
