#include "ddpm/base/bytes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ddpm {
namespace {

using namespace std::string_literals;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

struct Example {
  std::uint64_t value;
  std::string little, big;  // by Python's struct.pack("<Q", value) and ">Q", "I", "H", "B"
};

const std::vector<Example> kExamples = {
    {0xf0, "\xf0", "\xf0"},
    {0xfedc, "\xdc\xfe", "\xfe\xdc"},
    {0x89abcdef, "\xef\xcd\xab\x89", "\x89\xab\xcd\xef"},
    {0x8123456789abcdef, "\xef\xcd\xab\x89\x67\x45\x23\x81", "\x81\x23\x45\x67\x89\xab\xcd\xef"},
    {1, "\1\0\0\0"s, "\0\0\0\1"s},
};

TEST(Bytes, NumbersAreReadInTheOrderOfTheFormat) {
  for (const Example& example : kExamples) {
    EXPECT_EQ(load_little_endian(bytes_of(example.little)), example.value);
    EXPECT_EQ(load_big_endian(bytes_of(example.big)), example.value);
  }
  EXPECT_EQ(load_little_endian({}), 0U);
  EXPECT_EQ(load_big_endian({}), 0U);
}

TEST(Bytes, NumbersAreWrittenInTheOrderOfTheFormat) {
  for (const Example& example : kExamples) {
    std::string little = "<", big = ">";
    append_little_endian(little, example.value, example.little.size());
    append_big_endian(big, example.value, example.big.size());
    EXPECT_EQ(little, "<" + example.little);
    EXPECT_EQ(big, ">" + example.big);
  }
}

TEST(Bytes, OnlyTheLowestBytesAreWritten) {
  std::string text;
  append_little_endian(text, 0x11223344, 2);
  append_big_endian(text, 0x11223344, 3);
  EXPECT_EQ(text, "\x44\x33\x22\x33\x44");
}

}  // namespace
}  // namespace ddpm
