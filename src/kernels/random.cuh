// Random words on the device, the same as those of base/random.h on the host.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "ddpm/base/random.h"
#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// The generator Philox4x32-10.
__device__ inline uint4 philox4x32_10(uint4 c, uint2 k) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c.x;
    const std::uint64_t product1 = kMultiplier1 * c.z;
    c = make_uint4(
        static_cast<unsigned>(product1 >> 32) ^ c.y ^ k.x, static_cast<unsigned>(product1),
        static_cast<unsigned>(product0 >> 32) ^ c.w ^ k.y, static_cast<unsigned>(product0));
    k.x += 0x9E3779B9u;
    k.y += 0xBB67AE85u;
  }
  return c;
}

// The key of row `row` of a tensor.
__device__ inline RandomKey row_key(const RandomSource& source, std::int64_t row) {
  return {source.seed, static_cast<RandomStream>(source.stream),
          static_cast<std::uint64_t>(source.position[0]),
          static_cast<std::uint64_t>(source.position[1] + row)};
}

// The words 4*block to 4*block+3.
__device__ inline uint4 random_words(const RandomKey& key, std::uint32_t block) {
  const unsigned high_step = static_cast<unsigned>(key.step >> 32) & 0xFFu;
  const unsigned high_sample = static_cast<unsigned>(key.sample >> 32) & 0xFFu;
  const uint4 counter =
      make_uint4(block, static_cast<unsigned>(key.sample), static_cast<unsigned>(key.step),
                 static_cast<unsigned>(key.stream) | high_step << 16 | high_sample << 24);
  return philox4x32_10(
      counter, make_uint2(static_cast<unsigned>(key.seed), static_cast<unsigned>(key.seed >> 32)));
}

// A uniform integer in [0, bound) from a random word; bound in [1, 2^32].
__device__ inline std::int64_t word_below(std::uint32_t word, std::uint64_t bound) {
  return static_cast<std::int64_t>(word * bound >> 32);
}

}  // namespace ddpm::kernels
