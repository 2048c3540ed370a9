// Deterministic values in [-0.5, 0.5): a hash of (k, j) that is easy to compute in any language.
#pragma once

#include <cstdint>

namespace ddpm::testing {

inline double hash_value(std::uint64_t k, std::uint64_t j) {
  std::uint64_t z = (k << 32) + j + 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) / 16777216.0 - 0.5;
}

}  // namespace ddpm::testing
