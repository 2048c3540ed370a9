// What the fuzz targets have in common.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "ddpm/base/error.h"

namespace ddpm::testing {

using Bytes = std::span<const std::byte>;

// Aborts the process if the condition is false, so that libFuzzer reports the input.
inline void require(bool condition) {
  if (!condition) std::abort();
}

// Reads every byte, so that a sanitizer notices bytes outside of the memory.
inline void touch(Bytes bytes) {
  std::size_t sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<std::size_t>(byte);
  require(sum <= 255 * bytes.size());
}

// A file in memory, on no disk.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes content) : descriptor_(::memfd_create("fuzz", 0)) {
    require(descriptor_ >= 0);
    const ssize_t written = ::write(descriptor_, content.data(), content.size());
    require(written == static_cast<ssize_t>(content.size()));
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

template <class Read>
bool accepted(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    require(*error.what() != '\0');
    return false;
  }
}

inline std::string_view text_of(Bytes input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

}  // namespace ddpm::testing
