#include "ddpm/base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ddpm {
namespace {

const std::vector<std::string> kNames = {"batch_size", "base_width", "steps", "seed"};

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("seed", "sede"), 1U);
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);  // 2 if a swapped pair could be edited again
}

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("bach_size", kNames), "batch_size");
  EXPECT_EQ(nearest("batchsize", kNames), "batch_size");
  EXPECT_EQ(nearest("setps", kNames), "steps");
  EXPECT_EQ(nearest("seed", kNames), "seed");
}

TEST(Nearest, StaysSilentIfNothingIsNear) {
  EXPECT_EQ(nearest("optimizer", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest("xy", std::vector<std::string>{"ab"}), "");
  // Two edits make any short word of any other.
  EXPECT_EQ(nearest("foo", std::vector<std::string>{"for", "lot"}), "for");
  EXPECT_EQ(nearest("cat", std::vector<std::string>{"eta"}), "");
  EXPECT_EQ(nearest("tau", std::vector<std::string>{"eta"}), "");
  const std::string long_text(10'000'000, 'a');  // NOLINT(bugprone-string-constructor): meant
  EXPECT_EQ(nearest(long_text, kNames), "");
}

TEST(Nearest, PrefersTheFirstAmongEquals) {
  EXPECT_EQ(nearest("beta", std::vector<std::string>{"beta1", "beta2"}), "beta1");
}

TEST(Join, SeparatesTheLastPartDifferently) {
  const std::vector<std::string> parts = {"a", "b", "c"};
  EXPECT_EQ(join(parts), "a, b, c");
  EXPECT_EQ(join(parts, ", ", " or "), "a, b or c");
  EXPECT_EQ(join(std::vector<std::string>{"a"}, ", ", " or "), "a");
  EXPECT_EQ(join({}), "");
}

TEST(Counted, HasASingularAndAPlural) {
  EXPECT_EQ(counted(1, "image"), "1 image");
  EXPECT_EQ(counted(0, "image"), "0 images");
  EXPECT_EQ(counted(1, "class"), "1 class");
  EXPECT_EQ(counted(2, "class"), "2 classes");
}

TEST(LowerCase, ChangesTheLettersOfAsciiOnly) {
  EXPECT_EQ(lower_case("AbZ.[@1"), "abz.[@1");
  EXPECT_EQ(lower_case("\xC3\x84"), "\xC3\x84");  // a large A with two dots
}

TEST(Shorten, CutsAndMarksLongTexts) {
  EXPECT_EQ(shorten("short", 5), "short");
  EXPECT_EQ(shorten("longer text", 8), "longe...");
}

TEST(Shorten, KeepsCharactersWholeAndHidesControls) {
  EXPECT_EQ(shorten("\xC3\xA4\xC3\xB6\xC3\xBC", 5), "\xC3\xA4...");  // each letter has two bytes
  EXPECT_EQ(shorten("a\nb\x1B[31m"), "a?b?[31m");
}

}  // namespace
}  // namespace ddpm
