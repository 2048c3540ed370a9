// Reads a zip archive (PKWARE APPNOTE 6.3) in memory, also over 4 GiB (zip64). PyTorch stores its
// members, so there a member is a part of the file and nothing is unpacked. A library such as
// libzip would copy every member, which for weights doubles the memory.
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
  std::uint32_t crc = 0;    // CRC-32 of the content, as the directory says
  std::uint64_t size = 0;   // bytes of the content
  bool compressed = false;  // `bytes` are the content in deflate
  bool is_link = false;     // the content is the path that a symbolic link of Unix points to

  // Both throw CheckpointError "member '<name>': ..." if the content does not match the checksum.
  void verify() const;  // of a member that is not compressed
  std::vector<std::byte> unpack() const;
};

enum class ZipMethods { kStored, kStoredAndDeflate };

// Whether the bytes start like a zip archive.
bool looks_like_zip(std::span<const std::byte> bytes) noexcept;

// The members of the archive in `bytes`, in order of position; the caller keeps the bytes alive.
// Other bytes may lie before it, as in an archive that unpacks itself. Throws CheckpointError for
// archives that are truncated, encrypted or split, for members that are compressed in another way,
// claim more content than their bytes can hold, overlap or reach outside the file, and for names
// that repeat.
std::vector<ZipMember> read_zip(std::span<const std::byte> bytes,
                                ZipMethods methods = ZipMethods::kStored);

}  // namespace ddpm
