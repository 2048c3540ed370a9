#include "ddpm/formats/gzip.h"

#include <gtest/gtest.h>

#include <array>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/gzip.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::message_of;

constexpr std::uint64_t kLimit = 1 << 20;

// "hello, hello, hello\n" as Python's gzip module writes it.
const std::string kHello =
    testing::from_hex("1f8b0800000000000203cb48cdc9c9d751c840a2b800e7426e5214000000");

std::string gunzip_text(const std::string& compressed, std::uint64_t limit = kLimit) {
  const auto bytes = gunzip(as_bytes(compressed), "file.gz", limit);
  return {bytes.begin(), bytes.end()};
}

std::string error_of(const std::string& compressed, std::uint64_t limit = kLimit) {
  return message_of<DataError>([&] { gunzip_text(compressed, limit); });
}

TEST(Gzip, DecompressesAForeignFile) { EXPECT_EQ(gunzip_text(kHello), "hello, hello, hello\n"); }

TEST(Gzip, JoinsMembersAndIgnoresPadding) {
  EXPECT_EQ(gunzip_text(kHello + kHello + std::string(512, '\0')),
            "hello, hello, hello\nhello, hello, hello\n");
}

TEST(Gzip, NamesFileAndReasonWhenTruncatedAnywhere) {
  for (std::size_t size = 0; size < kHello.size(); ++size)
    EXPECT_EQ(error_of(kHello.substr(0, size)), "file.gz: truncated gzip data") << size;
}

TEST(Gzip, DetectsAWrongChecksumAndTrailingBytes) {
  std::string damaged = kHello;
  damaged[damaged.size() - 8] ^= 1;
  EXPECT_TRUE(contains(error_of(damaged), "damaged gzip data (incorrect data check)"));
  EXPECT_TRUE(contains(error_of(kHello + "tail"), "unexpected bytes after the end"));
  EXPECT_TRUE(contains(error_of("plain text"), "damaged gzip data"));
}

TEST(Gzip, StopsABombAtTheLimit) {
  const std::string bomb = testing::gzip(std::string(64 << 20, '\0'));
  ASSERT_LT(bomb.size(), 100'000U);
  EXPECT_TRUE(contains(error_of(bomb, 1000), "more than the 1000 bytes allowed"));
}

TEST(Gzip, AllowsExactlyTheLimit) {
  EXPECT_EQ(gunzip_text(kHello, 20).size(), 20U);
  EXPECT_TRUE(contains(error_of(kHello, 19), "more than the 19 bytes"));
}

TEST(Gzip, ReaderGivesAnyPieces) {
  GzipReader reader(as_bytes(kHello), "file.gz");
  std::string text;
  std::array<std::byte, 3> piece{};
  while (const std::size_t got = reader.read(piece))
    for (std::size_t i = 0; i < got; ++i) text += static_cast<char>(piece[i]);
  EXPECT_EQ(text, "hello, hello, hello\n");
  EXPECT_TRUE(at_end(reader));
}

TEST(ByteReader, OpensPlainAndCompressedFiles) {
  const testing::TemporaryFolder folder;
  for (const std::string& content : {kHello, std::string("hello, hello, hello\n")}) {
    const auto reader = open_data_file(folder.write("file", content));
    EXPECT_EQ(read_exactly(*reader, 20, "text").size(), 20U);
    EXPECT_TRUE(at_end(*reader));
  }
}

TEST(ByteReader, ReportsAMissingFileAsData) {
  EXPECT_TRUE(contains(message_of<DataError>([] { open_data_file("/nonexistent/file"); }),
                       "/nonexistent/file"));
}

TEST(ByteReader, DoesNotBelieveAHugeSize) {
  MemoryReader reader(as_bytes("abc"), "file");
  EXPECT_EQ(message_of<DataError>([&] { read_exactly(reader, std::uint64_t{1} << 60, "pixels"); }),
            "file: truncated: 1152921504606846976 bytes of pixels expected, 3 found");
}

}  // namespace
}  // namespace ddpm
