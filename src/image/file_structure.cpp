#include "file_structure.h"

#include <zlib.h>

#include <cstdint>
#include <cstdlib>

#include "ddpm/base/bytes.h"
#include "jpeg_structure.h"
#include "webp.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t little_endian(Bytes bytes, std::size_t i, std::size_t width) {
  return load_little_endian(bytes.subspan(i, width));
}

std::uint32_t checksum(std::string_view type_and_data) {
  const auto* bytes = reinterpret_cast<const Bytef*>(type_and_data.data());
  return static_cast<std::uint32_t>(crc32_z(0, bytes, type_and_data.size()));
}

constexpr std::size_t kChunkOverhead = 12;  // of PNG: length, type, checksum

Bytes png_exif(Bytes file) noexcept {
  Bytes rest = file.subspan(8);
  while (rest.size() >= kChunkOverhead) {
    const std::uint64_t length = load_big_endian(rest.first(4));
    if (length > rest.size() - kChunkOverhead) break;
    if (as_text(rest.subspan(4, 4)) == "eXIf") return rest.subspan(8, length);
    rest = rest.subspan(kChunkOverhead + length);
  }
  return {};
}

// OS/2's header is shorter, with numbers of 16 bits.
bool is_os2_bmp(Bytes file) { return little_endian(file, 14, 4) == 12; }

// A negative height says that the first row is the top one.
std::optional<PixelSize> bmp_size(Bytes file) {
  constexpr std::size_t kSmallestHeader = 26;
  if (file.size() < kSmallestHeader) return std::nullopt;
  if (is_os2_bmp(file))
    return PixelSize{.width = little_endian(file, 18, 2), .height = little_endian(file, 20, 2)};
  const auto height = static_cast<std::int32_t>(little_endian(file, 22, 4));
  return PixelSize{.width = little_endian(file, 18, 4),
                   .height = static_cast<std::uint64_t>(std::abs(std::int64_t{height}))};
}

std::string bmp_damage(Bytes file) {
  const std::optional<PixelSize> size = bmp_size(file);
  const bool is_os2 = size && is_os2_bmp(file);
  if (!size || (!is_os2 && file.size() < 54)) return "truncated BMP file";
  const std::uint64_t offset = little_endian(file, 10, 4);
  const auto [width, height] = *size;
  const std::uint64_t bits =
      width * (is_os2 ? little_endian(file, 24, 2) : little_endian(file, 28, 2));
  // Rows are padded to 32 bits; the padding of the last row may be missing.
  const std::uint64_t stride = (bits + 31) / 32 * 4;
  const std::uint64_t needed = offset + (height > 0 ? (height - 1) * stride + (bits + 7) / 8 : 0);
  return needed > file.size() ? "truncated BMP file" : "";
}

}  // namespace

std::optional<PixelSize> claimed_size(Bytes file) {
  switch (file_format(file)) {
    case FileFormat::kPng:
      if (file.size() < 24 || as_text(file.subspan(12, 4)) != "IHDR") return std::nullopt;
      return PixelSize{.width = load_big_endian(file.subspan(16, 4)),
                       .height = load_big_endian(file.subspan(20, 4))};
    case FileFormat::kJpeg:
      return jpeg_size(file);
    case FileFormat::kBmp:
      return bmp_size(file);
    case FileFormat::kWebp:
    case FileFormat::kUnknown:
      break;
  }
  return std::nullopt;
}

FileFormat file_format(Bytes file) noexcept {
  const std::string_view text = as_text(file);
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return FileFormat::kPng;
  if (text.starts_with("\xff\xd8\xff")) return FileFormat::kJpeg;
  if (text.starts_with("BM")) return FileFormat::kBmp;
  if (text.starts_with("RIFF") && text.substr(0, 12).ends_with("WEBP")) return FileFormat::kWebp;
  return FileFormat::kUnknown;
}

std::string no_image_reason(Bytes file) {
  const std::string_view text = as_text(file);
  if (text.starts_with("version https://git-lfs"))
    return "a Git LFS pointer, not the picture itself: run git lfs pull in its repository";
  if (const std::size_t first = text.find_first_not_of(" \t\r\n");
      first != std::string_view::npos && text[first] == '<')
    return "a text such as a web page or SVG, not a PNG, JPEG, WebP or BMP file";
  return "not a PNG, JPEG, WebP or BMP file";
}

std::string structural_damage(Bytes file) {
  switch (file_format(file)) {
    case FileFormat::kPng:
      return for_each_png_chunk(file, [](std::string_view, std::string_view) {});
    case FileFormat::kJpeg:
      return jpeg_damage(file, /*to_frame_header=*/false);
    case FileFormat::kBmp:
      return bmp_damage(file);
    case FileFormat::kWebp:
      return "";
    case FileFormat::kUnknown:
      break;
  }
  return no_image_reason(file);
}

Bytes find_exif(Bytes file) noexcept {
  switch (file_format(file)) {
    case FileFormat::kPng:
      return png_exif(file);
    case FileFormat::kJpeg:
      return jpeg_exif(file);
    case FileFormat::kWebp:
      return webp_exif(file);
    case FileFormat::kBmp:
    case FileFormat::kUnknown:
      break;
  }
  return {};
}

std::string for_each_png_chunk(
    Bytes file, const std::function<void(std::string_view, std::string_view)>& visit) {
  Bytes rest = file.subspan(8);
  while (rest.size() >= kChunkOverhead) {
    const std::uint64_t length = load_big_endian(rest.first(4));
    if (length > rest.size() - kChunkOverhead) break;
    const std::string_view type_and_data = as_text(rest.subspan(4, 4 + length));
    if (checksum(type_and_data) != load_big_endian(rest.subspan(8 + length, 4)))
      return "damaged PNG file (wrong checksum)";
    const std::string_view type = type_and_data.substr(0, 4);
    visit(type, type_and_data.substr(4));
    if (type == "IEND") return "";
    rest = rest.subspan(kChunkOverhead + length);
  }
  return "truncated PNG file";
}

std::string make_png_chunk(std::string_view type, std::string_view data) {
  std::string chunk;
  append_big_endian(chunk, data.size(), 4);
  chunk += type;
  chunk += data;
  append_big_endian(chunk, checksum(std::string_view(chunk).substr(4)), 4);
  return chunk;
}

}  // namespace ddpm
