// IDX, the format of MNIST and its family: a big-endian header (two zero bytes, element type, rank,
// one 32-bit size a dimension) and the elements. Only unsigned bytes, the type these data sets use;
// plain or gzip'd.
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
