#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ddpm {

// One array of an .npz file.
struct NpzArray {
  std::string name;                 // "arr_0"
  std::vector<std::int64_t> shape;  // row-major
  std::span<const std::byte> bytes;
  std::string type = "|u1";  // of an element, as NumPy writes it
};

// Writes NumPy's .npz, a zip file of uncompressed .npy members, atomically; the same arrays give
// the same bytes. Throws IoError, also above 4 GiB in all, the limit of the plain zip format.
void write_npz(const std::filesystem::path& path, std::span<const NpzArray> arrays);

}  // namespace ddpm
