#include "ddpm/formats/idx.h"

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 30;
constexpr std::uint8_t kUnsignedByte = 0x08;

}  // namespace

IdxArray read_idx(ByteReader& reader, int rank) {
  const auto fail = [&reader](const std::string& reason) {
    throw DataError(reader.name() + ": " + reason);
  };
  const auto magic = read_exactly(reader, 4, "the IDX magic number");
  if (magic[0] != 0 || magic[1] != 0) fail("not an IDX file (wrong magic number)");
  if (magic[2] != kUnsignedByte) fail("IDX elements are not unsigned bytes");
  if (magic[3] != rank)
    fail("IDX array has " + std::to_string(magic[3]) + " dimensions, expected " +
         std::to_string(rank));

  const auto sizes = read_exactly(reader, 4 * static_cast<std::uint64_t>(rank), "IDX dimensions");
  IdxArray array;
  std::uint64_t total = 1;
  for (int i = 0; i < rank; ++i) {
    const auto bytes = std::as_bytes(std::span(sizes)).subspan(4 * static_cast<std::size_t>(i), 4);
    const std::uint64_t size = load_big_endian(bytes);
    if (size == 0) fail("empty: IDX dimension " + std::to_string(i) + " is 0");
    // total <= 2^34 before each product, so 2^66 could overflow: compare by division.
    if (size > kMaxBytes / total) fail("claims more than 16 GiB");
    total *= size;
    array.shape.push_back(static_cast<std::int64_t>(size));
  }
  array.values = read_exactly(reader, total, "IDX elements");
  if (!at_end(reader)) fail("longer than its header says");
  return array;
}

IdxArray read_idx(const std::filesystem::path& path, int rank) {
  return read_idx(*open_data_file(path), rank);
}

}  // namespace ddpm
