#include "ddpm/base/random.h"

namespace ddpm {

PhiloxCounter philox4x32_10(PhiloxCounter c, PhiloxKey k) noexcept {
  // Multipliers and Weyl constants of the paper.
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c[0];
    const std::uint64_t product1 = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ k[0],
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ k[1],
         static_cast<std::uint32_t>(product0)};
    k[0] += kWeyl0;
    k[1] += kWeyl1;
  }
  return c;
}

PhiloxCounter random_block(const RandomKey& key, std::uint32_t block) noexcept {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high8 = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32) & 0xFFu; };
  const std::uint32_t packed =
      static_cast<std::uint32_t>(key.stream) | high8(key.step) << 16 | high8(key.sample) << 24;
  return philox4x32_10({block, low(key.sample), low(key.step), packed},
                       {low(key.seed), low(key.seed >> 32)});
}

std::uint32_t random_word(const RandomKey& key, std::uint64_t element) noexcept {
  return random_block(key, static_cast<std::uint32_t>(element / 4))[element % 4];
}

std::uint32_t random_below(const RandomKey& key, std::uint64_t element,
                           std::uint64_t bound) noexcept {
  return static_cast<std::uint32_t>(random_word(key, element) * bound >> 32);
}

}  // namespace ddpm
