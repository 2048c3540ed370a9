// Makes PNG files that no encoder would write.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

#include "ddpm/base/bytes.h"

namespace ddpm::testing {

// A chunk: length, type, data, CRC-32.
inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  std::string chunk;
  append_big_endian(chunk, data.size(), 4);
  chunk += body;
  append_big_endian(
      chunk, crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())),
      4);
  return chunk;
}

// The header of a picture with 8 bits a sample. `color` is the type: 0 grey, 2 RGB, 6 RGBA.
inline std::string png_header(std::uint32_t width, std::uint32_t height, char color = 0) {
  std::string data;
  append_big_endian(data, width, 4);
  append_big_endian(data, height, 4);
  return png_chunk("IHDR", data + '\x08' + color + std::string(3, '\0'));
}

inline const std::string kPngSignature = "\x89PNG\r\n\x1a\n";

}  // namespace ddpm::testing
