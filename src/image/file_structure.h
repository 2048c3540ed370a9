// What can be said about an image file without decoding pixels. The decoder fills what a truncated
// file lacks with grey or black and ignores checksums, so completeness is checked here. Private to
// codec.cpp.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace ddpm {

enum class FileFormat { kUnknown, kPng, kJpeg, kBmp };

// By signature.
FileFormat file_format(std::span<const std::byte> file) noexcept;

// Why the file cannot be whole: truncated, wrong checksum. Empty if it looks whole.
std::string structural_damage(std::span<const std::byte> file);

// Calls visit(type, data) for every chunk up to IEND, checksum verified. Returns the damage that
// ended the walk early, or nothing. The file must start with PNG's signature.
std::string for_each_png_chunk(
    std::span<const std::byte> file,
    const std::function<void(std::string_view type, std::string_view data)>& visit);

// Length, type, data, CRC-32.
std::string make_png_chunk(std::string_view type, std::string_view data);

}  // namespace ddpm
