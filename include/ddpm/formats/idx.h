// IDX, the format of MNIST and similar data sets: a big-endian header (two zero bytes, element
// type, rank, a 32-bit size for each dimension) and the elements. Only unsigned bytes are read, the
// type that these data sets use. Files may be compressed with gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "ddpm/formats/byte_reader.h"

namespace ddpm {

struct IdxArray {
  std::vector<std::int64_t> shape;   // [N,H,W] for images, [N] for labels; every size is positive
  std::vector<std::uint8_t> values;  // row-major
};

// Reads an array of exactly this rank (1: labels, 3: images). Throws DataError "<file>: ..." unless
// magic, rank and length agree; more than 16 GiB is refused.
IdxArray read_idx(ByteReader& reader, int rank);
IdxArray read_idx(const std::filesystem::path& path, int rank);

}  // namespace ddpm
