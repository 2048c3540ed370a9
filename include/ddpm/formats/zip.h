// Reads a zip archive (PKWARE APPNOTE 6.3) in memory, as PyTorch writes it, also over 4 GiB
// (zip64). Members are stored, not compressed, so a member is a part of the file and nothing is
// ever unpacked. A library such as libzip would copy every member, and unpack compressed ones,
// which we refuse.
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

  // Throws CheckpointError "member '<name>': ..." if the bytes do not match the checksum.
  void verify() const;
};

// Whether the bytes start like a zip archive.
bool looks_like_zip(std::span<const std::byte> bytes) noexcept;

// The members of the archive in `bytes`, in order of position; the caller keeps the bytes alive.
// Throws CheckpointError for archives that are truncated, compressed, encrypted or split, for
// members that overlap or reach outside the file, and for names that repeat.
std::vector<ZipMember> read_zip(std::span<const std::byte> bytes);

}  // namespace ddpm
