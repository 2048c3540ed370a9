// Reads NumPy's arrays: one in an .npy file, several in an .npz file, which is a zip archive of
// them (numpy.lib.format, versions 1 to 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ddpm {

struct NumpyArray {
  std::string name;                 // "arr_0"; empty in an .npy file
  std::string type;                 // as NumPy writes it: "|u1", "<i8"
  std::vector<std::int64_t> shape;  // row-major
  std::span<const std::byte> bytes = {};
  std::shared_ptr<const std::vector<std::byte>> memory = {};  // what keeps copied bytes alive

  std::int64_t count() const;  // elements
};

// The arrays of a file, whose bytes the caller keeps alive. `name` begins messages. Arrays of other
// types than integers and floating-point numbers of at most 64 bits and booleans (complex numbers,
// texts, objects) are listed without their bytes; those in Fortran's order are brought into C's.
// Throws DataError for what is damaged or neither .npy nor .npz.
std::vector<NumpyArray> read_numpy(std::span<const std::byte> file, const std::string& name);

// The only array of an .npy file, in the same way.
NumpyArray read_npy(std::span<const std::byte> file, const std::string& name);

// What an .npy file has before its elements, version 1.0: a Python dictionary, padded so that the
// elements start at a multiple of 64.
std::string npy_header(const std::string& type, std::span<const std::int64_t> shape);

// The elements as numbers. Throws DataError if the array was listed without its bytes, or for
// unsigned numbers from 2^63.
std::vector<std::int64_t> integers_of(const NumpyArray& array);

}  // namespace ddpm
