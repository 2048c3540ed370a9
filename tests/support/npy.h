// Makes .npy files.
#pragma once

#include <string>

namespace ddpm::testing {

// An .npy file, version 1.0, of a type such as "|u1" and a shape such as "(2, 3)".
inline std::string npy(const std::string& type, const std::string& shape, const std::string& bytes,
                       const std::string& fortran_order = "False") {
  const std::string header = "{'descr': '" + type + "', 'fortran_order': " + fortran_order +
                             ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         bytes;
}

}  // namespace ddpm::testing
