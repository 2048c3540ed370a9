// Random tensors from counters (base/random.h). Row i belongs to sample `key.sample + i`; the
// elements of a row are numbered in the order of the given shape. The integers are identical on
// every device.
#pragma once

#include <torch/types.h>

#include "ddpm/base/random.h"

namespace ddpm::ops {

// Says which numbers to draw. On a GPU step and first sample also lie in device memory, where
// kernels read them, so that a recorded graph draws new numbers at each replay.
struct Draw {
  RandomKey key;
  torch::Tensor position;  // int64 [2] on the device, {step, sample} of the key; or undefined

  // NOLINTNEXTLINE(google-explicit-constructor): on the host a key is enough
  Draw(const RandomKey& k, torch::Tensor p = {}) : key(k), position(std::move(p)) {}
  Draw with_stream(RandomStream stream) const { return {key.with_stream(stream), position}; }
};

// Random words in [0, 2^32) as int64, [samples, elements].
torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device);

// Uniform integers in [0, bound), int64 [samples]. Equal to random_below(key of the row, 0, bound).
torch::Tensor random_integers(const Draw& draw, std::int64_t samples, std::int64_t bound,
                              torch::Device device);

// Standard normal float32, [samples, shape...], by Box and Muller: words (2k, 2k+1) give elements
// (2k, 2k+1). |z| <= 5.8. Devices differ only as much as their log, sin and cos.
torch::Tensor random_normal(const Draw& draw, std::int64_t samples, torch::IntArrayRef shape,
                            torch::Device device);

// Uniform float32 in (0, 1), [samples, elements].
torch::Tensor random_uniform(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                             torch::Device device);

namespace reference {
// The same by tensor operations on any device, for tests and where there is no kernel.
torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device);
}  // namespace reference

}  // namespace ddpm::ops
