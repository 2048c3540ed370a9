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

// Streams the content of gzip'd bytes, which the caller keeps alive. Several members in a row are
// one content, as in gunzip. `read` throws DataError "<name>: ..." on damage.
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

// The whole content. Throws DataError if damaged or larger than `max_bytes`. `name` is for errors.
std::vector<std::uint8_t> gunzip(std::span<const std::byte> compressed, const std::string& name,
                                 std::uint64_t max_bytes);
std::vector<std::uint8_t> gunzip_file(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace ddpm
