#include "ddpm/data/order.h"

#include <cmath>

#include "ddpm/base/random.h"

namespace ddpm {
namespace {

// The smallest m with m * m >= count. The square root of a double is wrong by at most one here.
std::uint64_t ceil_sqrt(std::uint64_t count) {
  auto m = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(count)));
  while (m * m < count) ++m;
  while (m > 1 && (m - 1) * (m - 1) >= count) --m;
  return m;
}

// A permutation of [0, m * m). Each round adds a random function of one half to the other half.
// This can be undone whatever the function is, so the result is a permutation.
std::uint64_t permute_square(std::uint64_t value, std::uint64_t m, const RandomKey& key) {
  constexpr std::uint32_t kRounds = 8;
  std::uint64_t left = value / m;
  std::uint64_t right = value % m;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const PhiloxCounter words = random_block(key.with_sample(right), round);
    // With 64 bits the bias of the remainder is below 2^-44 for every m <= 2^20.
    const std::uint64_t word = std::uint64_t{words[0]} << 32 | words[1];
    const std::uint64_t mixed = (left + word % m) % m;
    left = right;
    right = mixed;
  }
  return left * m + right;
}

}  // namespace

std::uint64_t shuffled_index(std::uint64_t position, std::uint64_t count, std::uint64_t seed,
                             std::uint64_t epoch) {
  const RandomKey key{.seed = seed, .stream = RandomStream::kShuffle, .step = epoch, .sample = 0};
  const std::uint64_t m = ceil_sqrt(count);
  // A value outside of [0, count) is permuted again. There are fewer than 2 sqrt(count) such
  // values, and a permutation always returns to its start, so the loop ends.
  std::uint64_t value = position;
  do {
    value = permute_square(value, m, key);
  } while (value >= count);
  return value;
}

}  // namespace ddpm
