#include "ddpm/formats/packed_file.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace ddpm {
namespace {

std::string advice(const std::string& hex, const std::string& path) {
  return unpack_advice(testing::as_bytes(testing::from_hex(hex)), path);
}

// The first bytes of what bzip2, xz, zstd, lz4 and 7z wrote for the text "x"; of rar those in its
// description (https://www.rarlab.com/technote.htm).
TEST(UnpackAdvice, NamesTheKindAndTheCommand) {
  EXPECT_EQ(advice("425a6839314159265359", "a/x.tar.bz2"),
            "compressed by bzip2; unpack it first: tar -xf a/x.tar.bz2");
  EXPECT_EQ(advice("425a6839314159265359", "x.bz2"),
            "compressed by bzip2; unpack it first: bunzip2 -k x.bz2");
  EXPECT_EQ(advice("fd377a585a000004e6d6", "x.TXZ"),
            "compressed by xz; unpack it first: tar -xf x.TXZ");
  EXPECT_EQ(advice("28b52ffd04580900", "my x.tar.zst"),
            "compressed by zstd; unpack it first: tar --zstd -xf 'my x.tar.zst'");
  EXPECT_EQ(advice("04224d186440a701", "x.lz4"), "compressed by lz4; unpack it first: lz4 -d x.lz4");
  EXPECT_EQ(advice("377abcaf271c0004", "x.7z"), "a 7z archive; unpack it first: 7z x x.7z");
  EXPECT_EQ(advice("526172211a070100", "x.rar"), "a rar archive; unpack it first: unrar x x.rar");
  for (const char* other : {"", "504b0304", "1f8b0800", "89504e47"})
    EXPECT_EQ(advice(other, "x"), "") << other;
}

}  // namespace
}  // namespace ddpm
