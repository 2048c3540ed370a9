// Members of a zip archive (PKWARE APPNOTE 6.3) that lie in memory, as PyTorch writes them: stored,
// not compressed, so a member is a part of the file and nothing is ever unpacked. Archives over
// 4 GiB (zip64) too. A library such as libzip would copy every member and unpack what nobody here
// writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ddpm {

struct ZipMember {
  std::string name;
  std::span<const std::byte> bytes;
  std::uint32_t crc = 0;  // CRC-32 of the bytes, as the directory says

  // Throws CheckpointError "member '<name>': ..." if the bytes are not what was written.
  void verify() const;
};

// Whether the bytes start like a zip archive.
bool looks_like_zip(std::span<const std::byte> bytes) noexcept;

// The directory of an archive in `bytes`, which the caller keeps alive; in order of position.
// Throws CheckpointError for what is truncated, compressed, encrypted or split, for members that
// overlap or reach outside the file, and for names that repeat.
std::vector<ZipMember> read_zip(std::span<const std::byte> bytes);

}  // namespace ddpm
