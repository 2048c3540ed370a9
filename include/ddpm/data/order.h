// The order of training images. It is a pure function of (seed, epoch, position), so no state of it
// has to be saved.
#pragma once

#include <cstdint>

namespace ddpm {

// The image at `position` of epoch `epoch`; for fixed seed and epoch this is a permutation of
// [0, count). position < count, 1 <= count <= 2^40, epoch < 2^40.
//
// It is computed by a Feistel network over Z_m x Z_m, m = ceil(sqrt(count)), with Philox (stream
// kShuffle) as round function, and cycle walking (Black and Rogaway, "Ciphers with arbitrary finite
// domains", CT-RSA 2002).
std::uint64_t shuffled_index(std::uint64_t position, std::uint64_t count, std::uint64_t seed,
                             std::uint64_t epoch);

// The image at `position` of the whole training: every `count` positions are an epoch with its own
// order.
inline std::uint64_t dataset_index(std::uint64_t position, std::uint64_t count,
                                   std::uint64_t seed) {
  return shuffled_index(position % count, count, seed, position / count);
}

}  // namespace ddpm
