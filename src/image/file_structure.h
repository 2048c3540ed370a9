// Checks that an image file is complete, without decoding pixels. The decoder does not: it ignores
// checksums and fills the missing part of a truncated file with grey or black. Private to
// codec.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

enum class FileFormat { kUnknown, kPng, kJpeg, kBmp, kWebp };

// The format by the file's signature.
FileFormat file_format(std::span<const std::byte> file) noexcept;

// What is said of a file of no known format. What a clone without Git LFS or a failed download left
// in place of a picture is named.
std::string no_image_reason(std::span<const std::byte> file);

struct PixelSize {
  std::uint64_t width = 0, height = 0;
};

// The size that the header claims. Nothing if the header is incomplete, and for WebP, whose pictures
// are never too large for its decoder.
std::optional<PixelSize> claimed_size(std::span<const std::byte> file);

// Why the file is incomplete or damaged: truncated, wrong checksum. Empty if no damage is found, and
// for WebP, whose decoder finds it.
std::string structural_damage(std::span<const std::byte> file);

// Calls visit(type, data) for every chunk up to IEND, after verifying its checksum. Returns the
// damage at which it stopped, or an empty text. The file must start with PNG's signature.
std::string for_each_png_chunk(
    std::span<const std::byte> file,
    const std::function<void(std::string_view type, std::string_view data)>& visit);

// The block of Exif of the file; empty if it has none. Checksums are not verified.
std::span<const std::byte> find_exif(std::span<const std::byte> file) noexcept;

// A chunk: length, type, data, CRC-32.
std::string make_png_chunk(std::string_view type, std::string_view data);

}  // namespace ddpm
