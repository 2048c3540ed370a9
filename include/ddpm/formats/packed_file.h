// Compressed files and archives that no reader here opens.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace ddpm {

// For a file at `path` that begins with `bytes`: what it is and the command that unpacks it, such
// as "compressed by xz; unpack it first: tar -xf photos.tar.xz". Known are bzip2, xz, zstd, lz4, 7z
// and rar; for other files the text is empty.
std::string unpack_advice(std::span<const std::byte> bytes, const std::filesystem::path& path);

}  // namespace ddpm
