#include "ddpm/image/animation.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

namespace ddpm {
namespace {

std::uint64_t number(const std::string& text, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value = value << 8 | static_cast<unsigned char>(text.at(at + i));
  return value;
}

struct Chunk {
  std::string type, data;
};

// The chunks, read as the PNG specification describes them.
std::vector<Chunk> chunks_of(const std::string& file) {
  EXPECT_EQ(file.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::vector<Chunk> chunks;
  for (std::size_t at = 8; at < file.size();) {
    const std::size_t length = number(file, at, 4);
    chunks.push_back({file.substr(at + 4, 4), file.substr(at + 8, length)});
    const std::string covered = file.substr(at + 4, length + 4);
    EXPECT_EQ(number(file, at + 8 + length, 4),
              crc32(0, reinterpret_cast<const Bytef*>(covered.data()),
                    static_cast<uInt>(covered.size())));
    at += 12 + length;
  }
  return chunks;
}

std::string inflated(const std::string& data, std::size_t size) {
  std::string out(size, 0);
  uLongf length = size;
  EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(out.data()), &length,
                       reinterpret_cast<const Bytef*>(data.data()), data.size()),
            Z_OK);
  EXPECT_EQ(length, size);
  return out;
}

TEST(Animation, HoldsEveryFrameAndShowsTheLastWhereNothingMoves) {
  const std::vector<Image> frames = {Image(2, 3, 1, 10), Image(2, 3, 1, 20), Image(2, 3, 1, 30)};
  const std::string file =
      encode_apng(frames, {.frame_milliseconds = 70, .last_milliseconds = 900}, {{"seed", "5"}});
  std::vector<std::string> types;
  for (const Chunk& chunk : chunks_of(file)) types.push_back(chunk.type);
  EXPECT_EQ(types, (std::vector<std::string>{"IHDR", "acTL", "tEXt", "IDAT", "fcTL", "fdAT", "fcTL",
                                             "fdAT", "fcTL", "fdAT", "IEND"}));
  std::uint64_t sequence = 0, frame = 0;
  for (const Chunk& chunk : chunks_of(file)) {
    if (chunk.type == "acTL") {
      EXPECT_EQ(number(chunk.data, 0, 4), 3U);
      EXPECT_EQ(number(chunk.data, 4, 4), 0U);
    }
    if (chunk.type == "fcTL") {
      EXPECT_EQ(chunk.data.size(), 26U);
      EXPECT_EQ(number(chunk.data, 0, 4), sequence++);
      EXPECT_EQ(number(chunk.data, 4, 4), 3U);
      EXPECT_EQ(number(chunk.data, 8, 4), 2U);
      EXPECT_EQ(number(chunk.data, 20, 2), frame == 2 ? 900U : 70U);
      EXPECT_EQ(number(chunk.data, 22, 2), 1000U);
    }
    if (chunk.type == "fdAT") {
      EXPECT_EQ(number(chunk.data, 0, 4), sequence++);
      const std::string rows = inflated(chunk.data.substr(4), 2 * (1 + 3));
      EXPECT_EQ(rows[1], static_cast<char>(10 + 10 * frame++));  // after the filter's number
    }
  }
  // As a still picture it is the last frame.
  const Image still = decode_image(std::as_bytes(std::span(file)), "animation");
  EXPECT_EQ(still.pixels, frames[2].pixels);
  EXPECT_EQ(read_png_text(std::as_bytes(std::span(file)), "animation"), (PngText{{"seed", "5"}}));
}

TEST(Animation, NeedsFramesOfOneShape) {
  EXPECT_THROW(encode_apng({}), std::invalid_argument);
  const std::vector<Image> frames = {Image(2, 3, 1), Image(3, 3, 1)};
  EXPECT_THROW(encode_apng(frames), std::invalid_argument);
}

}  // namespace
}  // namespace ddpm
