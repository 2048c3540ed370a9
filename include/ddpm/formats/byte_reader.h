// Reads bytes in order from memory, a file or a gzip stream (gzip.h). The readers of IDX, tar and
// CIFAR-10 take a ByteReader, so compressed and plain input are the same to them.
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

  // Fills `out` and returns the number of bytes read, which is less than asked only at the end.
  // Throws DataError if the source is damaged.
  virtual std::size_t read(std::span<std::byte> out) = 0;

  // Passes over `count` bytes. Returns how many there were, which is less only at the end.
  virtual std::uint64_t skip(std::uint64_t count);

  // The name of this source in error messages: normally the path of the file.
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
  std::uint64_t skip(std::uint64_t count) override;

 private:
  std::span<const std::byte> rest_;
};

// Reads bytes that the caller keeps alive, decompressed if they start like gzip.
std::unique_ptr<ByteReader> open_data(std::span<const std::byte> bytes, const std::string& name);

// Opens a data file. It is decompressed if its bytes start like gzip, whatever its name.
// Throws DataError if it is missing or cannot be read.
std::unique_ptr<ByteReader> open_data_file(const std::filesystem::path& path);

// Reads exactly `size` bytes. Memory grows with the bytes that really arrive, so a wrong `size`
// from a hostile header costs nothing. `what` names the bytes in the message, "pixels" for example.
// Throws DataError "<name>: truncated: ...".
std::vector<std::uint8_t> read_exactly(ByteReader& reader, std::uint64_t size,
                                       const std::string& what);

// Whether nothing is left to read. If there is a byte, it is consumed.
bool at_end(ByteReader& reader);

}  // namespace ddpm
