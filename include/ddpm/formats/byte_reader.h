// Bytes in order, from memory, from a file, or out of a gzip stream (gzip.h). The readers of IDX,
// tar and CIFAR-10 take this, so none of them knows or cares whether its input is compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ddpm {

class ByteReader {
 public:
  explicit ByteReader(std::string name) : name_(std::move(name)) {}
  virtual ~ByteReader() = default;
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  // Fills as much of `out` as there is and returns how many bytes that were; fewer than asked only
  // at the end. Throws DataError if the source is damaged.
  virtual std::size_t read(std::span<std::byte> out) = 0;

  // What errors call this source: normally the path of the file.
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

// Reads from memory that the caller keeps alive.
class MemoryReader : public ByteReader {
 public:
  MemoryReader(std::span<const std::byte> bytes, std::string name)
      : ByteReader(std::move(name)), rest_(bytes) {}

  std::size_t read(std::span<std::byte> out) override;

 private:
  std::span<const std::byte> rest_;
};

// The content of a data file, decompressed if it starts like gzip, whatever its name.
// Throws DataError if it is missing or cannot be read.
std::unique_ptr<ByteReader> open_data_file(const std::filesystem::path& path);

// Exactly `size` bytes. Memory grows with what really arrives, so a wrong `size` from a hostile
// header costs nothing. Throws DataError "<name>: truncated: ..." that says what was expected:
// `what`, e.g. "pixels".
std::vector<std::uint8_t> read_exactly(ByteReader& reader, std::uint64_t size,
                                       const std::string& what);

// Whether nothing is left to read. Consumes a byte if there is one.
bool at_end(ByteReader& reader);

}  // namespace ddpm
