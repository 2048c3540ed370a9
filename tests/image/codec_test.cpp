#include "ddpm/image/codec.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "ddpm/base/error.h"
#include "support/files.h"
#include "support/png.h"

namespace ddpm {
namespace {

using testing::as_bytes;
using testing::contains;
using testing::from_hex;
using Pixels = std::vector<std::uint8_t>;

// 8x8, every pixel (200, 100, 50), written by another program.
const std::string kJpeg = from_hex(
    "ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202"
    "02020504040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a"
    "0affdb004301020202020202050303050a0706070a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
    "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0affc000110800080008030122000211010311"
    "01ffc4001500010100000000000000000000000000000005ffc4001410010000000000000000000000000000"
    "0000ffc40014010100000000000000000000000000000008ffc4001411010000000000000000000000000000"
    "0000ffda000c03010002110311003f009e00ae6c3fffd9");

// 8x8 grey, every pixel 77, progressive.
const std::string kProgressiveJpeg = from_hex(
    "ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202"
    "02020504040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a"
    "0affc2000b080008000801011100ffc40014000100000000000000000000000000000007ffda000801010000"
    "000119ffc40014100100000000000000000000000000000000ffda00080101000105027fffc4001410010000"
    "0000000000000000000000000000ffda0008010100063f027fffc40014100100000000000000000000000000"
    "000000ffda0008010100013f217fffda00080101000000107fffc40014100100000000000000000000000000"
    "000000ffda0008010100013f107fffd9");

// 2x2: (1,2,3) (4,5,6) / (7,8,9) (10,11,12).
const std::string kBmp = from_hex(
    "424d460000000000000036000000280000000200000002000000010018000000000010000000c40e0000c40e"
    "000000000000000000000908070c0b0a00000302010605040000");

// 2x1, 16-bit grey: 0x1234 0xabcd.
const std::string kPng16 = from_hex(
    "89504e470d0a1a0a0000000d494844520000000200000001100000000081d9fc150000000d4944415478da63"
    "1032597d1600030c01bfb1e7d44d0000000049454e44ae426082");

// 3x1 with a palette: red, green, blue.
const std::string kPalettePng = from_hex(
    "89504e470d0a1a0a0000000d49484452000000030000000108030000002c3ee48600000009504c5445ff0000"
    "00ff000000ff2d4acd8a0000000c4944415478da63606064020000080004081d630a0000000049454e44ae42"
    "6082");

// 2x1, grey and alpha: (0x40, 0xff) (0x80, 0).
const std::string kGreyAlphaPng = from_hex(
    "89504e470d0a1a0a0000000d49484452000000020000000108040000005e2bb7010000000d4944415478da63"
    "70f8dfc00000050201c0a3df042b0000000049454e44ae426082");

// Claims 100000x100000 pixels in 66 bytes.
const std::string kHugePng = from_hex(
    "89504e470d0a1a0a0000000d49484452000186a0000186a0080200000027309c9f000000094944415478da63"
    "000000010001b10db6930000000049454e44ae426082");

std::string error_of(const std::string& file) {
  return testing::message_of<DataError>([&] { decode_image(as_bytes(file), "f"); });
}

TEST(DecodeImage, ReadsJpeg) {
  const Image color = decode_image(as_bytes(kJpeg), "f");
  EXPECT_EQ(color.channels, 3);
  for (std::size_t i = 0; i < color.pixels.size(); ++i)
    EXPECT_NEAR(color.pixels[i], (Pixels{200, 100, 50})[i % 3], 2);
  const Image grey = decode_image(as_bytes(kProgressiveJpeg), "f");
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.pixels, Pixels(64, 77));
}

TEST(DecodeImage, ReadsBmp) {
  EXPECT_EQ(decode_image(as_bytes(kBmp), "f").pixels,
            (Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

// The height (4 bytes at offset 22) is negative if the first row in the file is the top row.
TEST(DecodeImage, ReadsBmpFromTheTop) {
  std::string file = kBmp;
  file.replace(22, 4, from_hex("feffffff"));
  EXPECT_EQ(decode_image(as_bytes(file), "f").pixels,
            (Pixels{7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6}));
  file.replace(22, 4, from_hex("00000080"));
  EXPECT_THROW(decode_image(as_bytes(file), "f"), DataError);
}

TEST(DecodeImage, ReadsEveryKindOfPng) {
  EXPECT_EQ(decode_image(as_bytes(kPng16), "f").pixels, (Pixels{0x12, 0xab}));
  EXPECT_EQ(decode_image(as_bytes(kPalettePng), "f").pixels,
            (Pixels{255, 0, 0, 0, 255, 0, 0, 0, 255}));
  const Image alpha = decode_image(as_bytes(kGreyAlphaPng), "f");
  EXPECT_EQ(alpha.channels, 4);
  EXPECT_EQ(alpha.pixels, (Pixels{0x40, 0x40, 0x40, 0xff, 0x80, 0x80, 0x80, 0}));
}

TEST(ReadImageInfo, DecodesNothing) {
  const ImageInfo info = read_image_info(as_bytes(kGreyAlphaPng), "f");
  EXPECT_EQ(info.height, 1);
  EXPECT_EQ(info.width, 2);
  EXPECT_EQ(info.channels, 2);
}

TEST(DecodeImage, RefusesWhatIsNoImage) {
  EXPECT_EQ(error_of(""), "f: empty file (0 bytes)");
  EXPECT_EQ(error_of("hello"), "f: not a PNG, JPEG, WebP or BMP file");
  EXPECT_EQ(error_of("GIF89a......................"), "f: not a PNG, JPEG, WebP or BMP file");
  EXPECT_EQ(error_of("P6 1 1 255\nabc"), "f: not a PNG, JPEG, WebP or BMP file");
  EXPECT_TRUE(contains(error_of("BM"), "f: "));
}

TEST(DecodeImage, RefusesHugeClaims) {
  EXPECT_TRUE(contains(error_of(kHugePng), "f: too large: it claims 100000x100000 pixels"));
  // The sides of 16000 x 16000 are allowed, but it has 244 Mi pixels.
  const std::string png = testing::kPngSignature + testing::png_header(16000, 16000, 2) +
                          testing::png_chunk("IEND", "");
  EXPECT_TRUE(contains(error_of(png), "claims 16000x16000 pixels"));
  EXPECT_TRUE(contains(error_of(testing::kPngSignature + testing::png_header(16385, 1)),
                       "claims 16385x1 pixels"));
  // The frame header of the small JPEG file with other numbers, and a BMP file.
  std::string jpeg = kJpeg;
  const std::size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, from_hex("4e207530"));
  EXPECT_TRUE(contains(error_of(jpeg), "claims 30000x20000 pixels")) << error_of(jpeg);
  std::string bmp = "BM" + std::string(52, '\0');
  bmp[14] = 40;
  bmp.replace(18, 8, from_hex("2041000001000000"));
  EXPECT_TRUE(contains(error_of(bmp), "claims 16672x1 pixels")) << error_of(bmp);
}

TEST(DecodeImage, RefusesEveryTruncation) {
  for (const std::string& file : {kJpeg, kProgressiveJpeg, kPng16, kPalettePng})
    for (std::size_t size = 0; size < file.size(); ++size)
      EXPECT_FALSE(error_of(file.substr(0, size)).empty()) << size;
  // The last two bytes only pad the last row.
  for (std::size_t size = 0; size + 2 < kBmp.size(); ++size)
    EXPECT_FALSE(error_of(kBmp.substr(0, size)).empty()) << size;
}

// With such tables stb_image before 2.28 writes out of bounds.
TEST(DecodeImage, RefusesImpossibleHuffmanTables) {
  for (const std::string& file : {kJpeg, kProgressiveJpeg}) {
    const std::size_t segment = file.find("\xff\xc4");
    ASSERT_NE(segment, std::string::npos);
    constexpr std::size_t kLengths = 5;  // after marker, size, class and number
    std::string damaged = file;
    damaged.replace(segment + kLengths, 16, std::string(16, '\xff'));
    EXPECT_TRUE(contains(error_of(damaged), "impossible Huffman tables")) << error_of(damaged);
    damaged = file;
    damaged[segment + kLengths - 1] = '\x04';  // tables have numbers 0 to 3
    EXPECT_TRUE(contains(error_of(damaged), "impossible Huffman tables")) << error_of(damaged);
  }
}

// Without a definition the decoder would use uninitialised memory. The marker 0xec turns the
// definition into a segment that decoders skip. Sequential files may lack the standard tables, so
// their scan must ask for another one.
TEST(DecodeImage, RefusesAScanWithoutItsHuffmanTables) {
  std::string progressive = kProgressiveJpeg, sequential = kJpeg;
  progressive[progressive.find("\xff\xc4") + 1] = '\xec';
  sequential[sequential.find("\xff\xda") + 6] = '\x20';  // the tables of the first component
  for (const std::string& damaged : {progressive, sequential})
    EXPECT_TRUE(contains(error_of(damaged), "Huffman table is missing")) << error_of(damaged);
}

TEST(DecodeImage, SurvivesBitFlips) {
  for (const std::string& file :
       {kJpeg, kProgressiveJpeg, kPng16, kPalettePng, kGreyAlphaPng, kBmp}) {
    for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
      std::string damaged = file;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
      try {
        const Image image = decode_image(as_bytes(damaged), "f");
        EXPECT_LE(image.pixels.size(), 4U * kMaxImagePixels);
      } catch (const DataError&) {
      }
    }
  }
}

TEST(DecodeImage, ChecksPngChecksums) {
  std::string damaged = kPng16;
  damaged[45] ^= 1;  // a bit of the pixels
  EXPECT_EQ(error_of(damaged), "f: damaged PNG file (wrong checksum)");
}

TEST(ReadImage, NamesTheFile) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("a.png", kPng16);
  EXPECT_EQ(read_image(path).width, 2);
  EXPECT_TRUE(
      contains(testing::message_of<DataError>([&] { read_image(folder / "b.png"); }), "b.png"));
  folder.write("c.png", "");
  EXPECT_TRUE(contains(testing::message_of<DataError>([&] { read_image(folder / "c.png"); }),
                       "c.png: empty file"));
}

TEST(HasImageExtension, IgnoresCase) {
  for (const char* name :
       {"a.png", "a.PNG", "a.Jpg", "a.JPEG", "a.bmp", "a.WebP", "a.jfif", "a.jpe"})
    EXPECT_TRUE(has_image_extension(name));
  for (const char* name : {"a.gif", "png", "a.png.txt", ""})
    EXPECT_FALSE(has_image_extension(name));
}

TEST(EncodePng, RoundTripsPixelsAndTexts) {
  for (const int channels : {1, 3, 4}) {
    Image image(3, 5, channels);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = static_cast<std::uint8_t>(37 * i);
    const PngText text = {{"seed", "42"}, {"model", "abc def"}, {"empty", ""}};
    const std::string png = encode_png(image, text);
    EXPECT_EQ(decode_image(as_bytes(png), "f").pixels, image.pixels);
    EXPECT_EQ(read_png_text(as_bytes(png), "f"), text);
    EXPECT_EQ(png, encode_png(image, text));
  }
}

// In Latin-1 a text cannot hold most of these characters, so it is an iTXt chunk, as PNG's
// specification says (section 11.3.3.4).
TEST(EncodePng, WritesTextsOfAnyLanguage) {
  const PngText text = {{"parameters", "ein Füchslein, 狐\nSteps: 5"}, {"plain", "a fox"}};
  const std::string png = encode_png(Image(1, 1, 3), text);
  EXPECT_NE(png.find(std::string("iTXtparameters\0\0\0\0\0", 19)), std::string::npos);
  EXPECT_NE(png.find(std::string("tEXtplain\0", 10)), std::string::npos);
  EXPECT_EQ(read_png_text(as_bytes(png), "f"), text);
  EXPECT_THROW(encode_png(Image(1, 1, 3), {{"k", "\xFF"}}), std::invalid_argument);
}

TEST(ReadPngText, TurnsLatin1IntoUtf8AndPassesOverCompressedTexts) {
  const auto with_chunk = [](const std::string& type, const std::string& data) {
    std::string png = encode_png(Image(1, 1, 1));
    return png.insert(33, testing::png_chunk(type, data));
  };
  const std::string latin1 = with_chunk("tEXt", std::string("Author\0Ren\xE9", 11));
  EXPECT_EQ(read_png_text(as_bytes(latin1), "f"), (PngText{{"Author", "René"}}));
  const std::string compressed = with_chunk("iTXt", std::string("k\0\1\0\0\0xyz", 9));
  EXPECT_EQ(read_png_text(as_bytes(compressed), "f"), PngText());
  const std::string cut = with_chunk("iTXt", std::string("k\0\0\0en", 6));
  EXPECT_EQ(read_png_text(as_bytes(cut), "f"), PngText());
}

TEST(EncodePng, RefusesWhatTheFormatForbids) {
  const Image image(1, 1, 1);
  EXPECT_THROW(encode_png(Image(), {}), std::invalid_argument);
  EXPECT_THROW(encode_png(image, {{"", "x"}}), std::invalid_argument);
  EXPECT_THROW(encode_png(image, {{std::string(80, 'k'), "x"}}), std::invalid_argument);
  EXPECT_THROW(encode_png(image, {{"a\nb", "x"}}), std::invalid_argument);
  EXPECT_THROW(encode_png(image, {{"k", std::string("a\0b", 3)}}), std::invalid_argument);
}

TEST(WritePng, WritesTheFile) {
  const testing::TemporaryFolder folder;
  write_png(folder / "a.png", Image(2, 2, 3, 9), {{"index", "7"}});
  EXPECT_EQ(read_image(folder / "a.png").pixels, Pixels(12, 9));
  EXPECT_EQ(read_png_text(folder / "a.png"), (PngText{{"index", "7"}}));
  EXPECT_THROW(write_png(folder / "none/a.png", Image(1, 1, 1)), IoError);
}

TEST(EncodePng, RefusesChannelsThatPngHasNot) {
  for (const int channels : {1, 3, 4}) EXPECT_FALSE(encode_png(Image(2, 2, channels)).empty());
  for (const int channels : {2, 5, 6}) {
    const std::string message =
        testing::message_of<std::invalid_argument>([&] { encode_png(Image(2, 2, channels)); });
    EXPECT_NE(message.find(std::to_string(channels)), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace ddpm
