// Converts numbers to the bytes of a file and back, in the byte order that the format prescribes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ddpm {

// Returns the unsigned number in `bytes` (at most eight), lowest byte first or highest byte first.
constexpr std::uint64_t load_little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

constexpr std::uint64_t load_big_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

// Appends the lowest `size` (at most eight) bytes of `value`, lowest byte first or highest first.
inline void append_little_endian(std::string& to, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to += static_cast<char>(value >> 8 * i & 0xff);
}

inline void append_big_endian(std::string& to, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) to += static_cast<char>(value >> 8 * i & 0xff);
}

}  // namespace ddpm
