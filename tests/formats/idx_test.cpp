#include "ddpm/formats/idx.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/gzip.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::from_hex;

// Two images of 2x3.
const std::string kImages = from_hex(
    "00000803"
    "00000002"
    "00000002"
    "00000003"
    "000102030405"
    "fffefdfcfbfa");

IdxArray parse(const std::string& bytes, int rank) {
  MemoryReader reader(testing::as_bytes(bytes), "images");
  return read_idx(reader, rank);
}

std::string error_of(const std::string& bytes, int rank = 3) {
  return testing::message_of<DataError>([&] { parse(bytes, rank); });
}

TEST(Idx, ReadsImagesPlainAndCompressed) {
  const testing::TemporaryFolder folder;
  for (const std::string& content : {kImages, testing::gzip(kImages)}) {
    const IdxArray array = read_idx(folder.write("images", content), 3);
    EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 2, 3}));
    EXPECT_EQ(array.values,
              (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 255, 254, 253, 252, 251, 250}));
  }
}

TEST(Idx, ReadsLabels) {
  EXPECT_EQ(parse(from_hex("00000801"
                           "00000003"
                           "070009"),
                  1)
                .values,
            (std::vector<std::uint8_t>{7, 0, 9}));
}

TEST(Idx, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < kImages.size(); ++size)
    EXPECT_TRUE(contains(error_of(kImages.substr(0, size)), "images: truncated")) << size;
}

TEST(Idx, RefusesWrongHeaders) {
  EXPECT_TRUE(contains(error_of(from_hex("01000803")), "not an IDX file"));
  EXPECT_TRUE(contains(error_of(from_hex("00000d03")), "not unsigned bytes"));
  EXPECT_TRUE(contains(error_of(kImages, 1), "has 3 dimensions, expected 1"));
  EXPECT_TRUE(contains(error_of(from_hex("00000803"
                                         "00000000"
                                         "0000001c"
                                         "0000001c")),
                       "empty"));
  EXPECT_TRUE(contains(error_of(kImages + "x"), "longer than its header says"));
}

TEST(Idx, DoesNotBelieveHugeSizes) {
  EXPECT_TRUE(contains(error_of(from_hex("00000803"
                                         "ffffffff"
                                         "ffffffff"
                                         "ffffffff")),
                       "16 GiB"));
  // The file claims 15 GiB and has one byte: it is refused before memory is allocated.
  EXPECT_TRUE(contains(error_of(from_hex("00000803"
                                         "0000f000"
                                         "00000200"
                                         "00000200"
                                         "00")),
                       "truncated"));
}

}  // namespace
}  // namespace ddpm
