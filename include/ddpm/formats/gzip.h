// gzip (RFC 1952) decompression. Truncation, wrong checksums and bytes after the end are errors,
// and the output never grows beyond what the caller allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ddpm/formats/byte_reader.h"

namespace ddpm {

// Whether the bytes start with gzip's signature.
bool looks_like_gzip(std::span<const std::byte> bytes) noexcept;

// Decompresses bytes as a stream; the caller keeps the compressed bytes alive. Several members in a
// row are read as one, as gunzip does. `read` throws DataError "<name>: ..." on damage.
class GzipReader : public ByteReader {
 public:
  GzipReader(std::span<const std::byte> compressed, std::string name);
  ~GzipReader() override;

  std::size_t read(std::span<std::byte> out) override;

 private:
  struct Stream;  // keeps zlib out of this header
  bool start_next_member();
  std::unique_ptr<Stream> stream_;
};

// Decompresses everything. `name` is for messages. Throws DataError if the bytes are damaged or the
// result is larger than `max_bytes`.
std::vector<std::uint8_t> gunzip(std::span<const std::byte> compressed, const std::string& name,
                                 std::uint64_t max_bytes);
std::vector<std::uint8_t> gunzip_file(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace ddpm
