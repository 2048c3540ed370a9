// Counter-based random numbers: every number is a pure function of (seed, stream, step, sample,
// element). So there is no generator state to save, and a number does not depend on batch size,
// thread count or device.
//
// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC
// 2011).
#pragma once

#include <array>
#include <cstdint>

namespace ddpm {

// Four 32-bit words. Philox turns a counter of four words into four words of random bits.
using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) noexcept;

// The purpose of a random number. Saved runs depend on the values: never renumber, only append.
enum class RandomStream : std::uint16_t {
  kTimestep = 0,         // training: t of each sample
  kNoise = 1,            // training: epsilon
  kFlip = 2,             // data: horizontal flip
  kCrop = 3,             // data: crop position
  kShuffle = 4,          // data: keys of the epoch's permutation
  kInitialNoise = 5,     // sampling: x_T
  kStepNoise = 6,        // sampling: z of each step
  kInitialization = 7,   // network weights; sample = index of the parameter
  kClass = 8,            // sampling: class of each image
  kEvaluationNoise = 9,  // sampling: z, counted by evaluations, where a timestep may repeat
  kContextDropout = 10,  // training: whether a sample gets the empty context
  kLabelDropout = 11,    // training: whether the label of each sample is replaced by the null class
  kKnownNoise = 12,      // inpainting: noise of the kept pixels, counted by evaluations
  kLikelihoodNoise = 13,  // evaluation: noise of the likelihood, counted by timesteps
  kOffsetNoise = 14,      // training: the part of epsilon that all pixels of a channel share
  kDropout = 256,         // dropout layer i uses stream kDropout + i
};

// The position of a random number, without its element. `sample` counts over all micro-batches and
// devices.
struct RandomKey {
  std::uint64_t seed = 0;
  RandomStream stream = RandomStream::kTimestep;
  std::uint64_t step = 0;    // < 2^40
  std::uint64_t sample = 0;  // < 2^40

  RandomKey with_stream(RandomStream s) const noexcept { return {seed, s, step, sample}; }
  RandomKey with_sample(std::uint64_t s) const noexcept { return {seed, stream, step, s}; }
};

// The random words of elements 4*block .. 4*block+3 at position `key`.
PhiloxCounter random_block(const RandomKey& key, std::uint32_t block) noexcept;

// The random word of one element.
std::uint32_t random_word(const RandomKey& key, std::uint64_t element) noexcept;

// A uniform integer in [0, bound), bound in [1, 2^32]: the high part of word * bound. The bias is
// below bound/2^32.
std::uint32_t random_below(const RandomKey& key, std::uint64_t element,
                           std::uint64_t bound) noexcept;

// Maps a word to the open interval (0, 1): its 23 high bits, centred. Exact in float, hence equal
// on every device.
inline float unit_float(std::uint32_t word) noexcept {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

}  // namespace ddpm
