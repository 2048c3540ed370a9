// Files of cameras and browsers: the orientation that Exif says, WebP, and JPEG files that decoders
// accept although they break a rule. The files were made and the expected pixels read by Pillow 13.
#include <gtest/gtest.h>
#include <zlib.h>

#include "ddpm/base/error.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/webp.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::from_hex;
using Pixels = std::vector<std::uint8_t>;

// 3x2 grey, 10 20 30 / 40 50 60, with orientation 1 in its eXIf chunk.
const std::string kPng = from_hex(
    "89504e470d0a1a0a0000000d4948445200000003000000020800000000b81f39c60000001a655849664d4d00"
    "2a0000000800010112000300000001000100000000000013c075e70000001049444154789c63e4e2e26291e3"
    "e20200014c0056335f299f0000000049454e44ae426082");

// 3x2 RGB, lossless, (10,11,12) .. (60,61,62), orientation 6.
const std::string kWebp = from_hex(
    "524946466200000057454250565038580a000000080000000200000100005650384c220000002f024000002f"
    "20164cfee54f9c4415aec030ffd9186ada3660439d7f3935a2ff31bd455849461a0000004d4d002a00000008"
    "000101120003000000010006000000000000");

// 3x2 RGBA: the same colours, alpha 255 128 0 / 1 2 3.
const std::string kWebpWithAlpha = from_hex(
    "5249464632000000574542505650384c250000002f024000102f7085852a5c818140d2069befc91f9f1100a8"
    "69db800d75fee5d488fec7f40200");

// 8x8, every pixel (201, 100, 50).
const std::string kLossyWebp = from_hex(
    "524946463e000000574542505650382032000000d001009d012a0800080000c01225a00274ba01f80003b000"
    "feda26ffeef37ed3d7b4f5fd4cfff8ca9f203fe32a7fc5cc0000");

const std::string kAnimatedWebp = from_hex(
    "52494646a800000057454250565038580a00000002000000020000010000414e494d06000000000000000000"
    "414e4d463a000000000000000000020000010000000000025650384c220000002f024000002f20164cfee54f"
    "9c4415aec030ffd9186ada3660439d7f3935a2ff31bd414e4d463a0000000000000000000200000100000000"
    "00005650384c210000002f024000002f20164cfee54f9c4415aec030ffd918040294b1e2814f22fa1fef0000");

// 16x8 grey, the left half 0, the right half 255, orientation 6, with the standard Huffman tables.
const std::string kJpeg = from_hex(
    "ffd8ffe000104a46494600010100000100010000ffe100224578696600004d4d002a00000008000101120003"
    "000000010006000000000000ffdb0043000201010101010201010102020202020403020202020504040304060"
    "506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc0000b08000800"
    "1001011100ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b51000"
    "02010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c115"
    "52d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a"
    "636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3"
    "b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9"
    "faffda0008010100003f00fe7febfbfcafffd9");

Image decode(const std::string& file, bool upright = true) {
  return decode_image(as_bytes(file), "f", upright);
}

std::string error_of(const std::string& file) {
  return testing::message_of<DataError>([&] { decode(file); });
}

// The PNG file with that orientation; nothing verifies the checksum of this chunk but the check of
// the whole file, so the checksum must be right.
std::string png_with_orientation(int orientation) {
  std::string file = kPng;
  const std::size_t chunk = file.find("eXIf");
  file[chunk + 4 + 8 + 2 + 8 + 1] = static_cast<char>(orientation);
  const std::string body = file.substr(chunk, 4 + 26);
  const auto crc = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  for (std::size_t i = 0; i < 4; ++i)
    file[chunk + body.size() + i] = static_cast<char>(crc >> (24 - 8 * i) & 0xff);
  return file;
}

class ReadWebp : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = testing::why_no_webp(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST(ImageOrientation, IsAsPillowTurnsIt) {
  const std::vector<Pixels> expected = {{10, 20, 30, 40, 50, 60}, {30, 20, 10, 60, 50, 40},
                                        {60, 50, 40, 30, 20, 10}, {40, 50, 60, 10, 20, 30},
                                        {10, 40, 20, 50, 30, 60}, {40, 10, 50, 20, 60, 30},
                                        {60, 30, 50, 20, 40, 10}, {30, 60, 20, 50, 10, 40}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string file = png_with_orientation(orientation);
    const Image image = decode(file);
    EXPECT_EQ(image.pixels, expected[static_cast<std::size_t>(orientation - 1)]) << orientation;
    EXPECT_EQ(image.width, orientation < 5 ? 3 : 2);
    const ImageInfo info = read_image_info(as_bytes(file), "f");
    EXPECT_EQ(info.width, image.width) << orientation;
    EXPECT_EQ(info.height, image.height) << orientation;
    EXPECT_EQ(decode(file, /*upright=*/false).pixels, expected[0]);
    EXPECT_EQ(read_image_info(as_bytes(file), "f", /*upright=*/false).width, 3);
  }
}

TEST(ImageOrientation, OfJpeg) {
  const Image jpeg = decode(kJpeg);
  ASSERT_EQ(jpeg.height, 16);
  EXPECT_LT(*jpeg.at(7, 0), 8);
  EXPECT_GT(*jpeg.at(8, 0), 247);
  EXPECT_EQ(decode(kJpeg, /*upright=*/false).height, 8);
}

TEST_F(ReadWebp, TurnsPictures) {
  EXPECT_EQ(decode(kWebp).pixels,
            (Pixels{40, 41, 42, 10, 11, 12, 50, 51, 52, 20, 21, 22, 60, 61, 62, 30, 31, 32}));
}

// The number may lie anywhere, or be nonsense; a picture is then shown as it is stored.
TEST(ImageOrientation, ThatIsDamagedChangesNothing) {
  for (const int orientation : {0, 9, 255})
    EXPECT_EQ(decode(png_with_orientation(orientation)).width, 3);
  const std::size_t exif = kJpeg.find("Exif");
  for (std::size_t i = exif; i < exif + 32; ++i) {
    std::string damaged = kJpeg;
    damaged[i] = static_cast<char>(~damaged[i]);
    const Image image = decode(damaged);
    EXPECT_EQ(image.height * image.width, 128);
  }
}

TEST_F(ReadWebp, ReadsColourAndTransparency) {
  EXPECT_EQ(decode(kWebpWithAlpha).pixels,
            (Pixels{10, 11, 12, 255, 20, 21, 22, 128, 30, 31, 32, 0,
                    40, 41, 42, 1,   50, 51, 52, 2,   60, 61, 62, 3}));
  const Image lossy = decode(kLossyWebp);
  ASSERT_EQ(lossy.channels, 3);
  for (std::size_t i = 0; i < lossy.pixels.size(); ++i)
    EXPECT_NEAR(lossy.pixels[i], (Pixels{201, 100, 50})[i % 3], 2);
  EXPECT_EQ(read_image_info(as_bytes(kWebpWithAlpha), "f").channels, 4);
}

TEST_F(ReadWebp, RefusesWhatIsDamaged) {
  EXPECT_TRUE(contains(error_of(kAnimatedWebp), "animated"));
  for (const std::string& file : {kLossyWebp, kWebpWithAlpha})
    for (std::size_t size = 12; size + 2 < file.size(); ++size)
      EXPECT_FALSE(error_of(file.substr(0, size)).empty()) << size;
}

// Frames of Motion JPEG have no Huffman tables; decoders take those of the standard.
TEST(ReadJpeg, KnowsTheStandardHuffmanTables) {
  std::string file = kJpeg;
  for (int i = 0; i < 2; ++i) {
    const std::size_t segment = file.find("\xff\xc4");
    ASSERT_NE(segment, std::string::npos);
    file.erase(segment, 2 + 256 * static_cast<unsigned char>(file[segment + 2]) +
                            static_cast<unsigned char>(file[segment + 3]));
  }
  EXPECT_EQ(decode(file).pixels, decode(kJpeg).pixels);
}

TEST(ReadJpeg, PassesOverMarkersAndBytesThatMeanNothing) {
  const Pixels expected = decode(kJpeg).pixels;
  const std::size_t end = kJpeg.size() - 2, tables = kJpeg.find("\xff\xc4");
  for (const auto& [position, inserted] : {std::pair(end, "ffd0"),
                                           {end, "ffd7ffd0"},
                                           {end, "ffff"},
                                           {end, "ffd3ff"},
                                           {tables, "123456"},
                                           {tables, "ffffff"},
                                           {tables, "ff01"}}) {
    std::string file = kJpeg;
    file.insert(position, from_hex(inserted));
    EXPECT_EQ(decode(file).pixels, expected) << inserted;
  }
}

}  // namespace
}  // namespace ddpm
