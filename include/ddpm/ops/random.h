// Random tensors drawn by counter (base/random.h). Row i belongs to sample `key.sample + i`; the
// elements of a row are numbered in the order of the shape given. The integers are identical on
// every device.
#pragma once

#include <torch/types.h>

#include "ddpm/base/random.h"

namespace ddpm::ops {

// Words in [0, 2^32) as int64, [samples, elements].
torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device);

// Uniform integers in [0, bound), int64 [samples]. Equal to random_below(key of the row, 0, bound).
torch::Tensor random_integers(const RandomKey& key, std::int64_t samples, std::int64_t bound,
                              torch::Device device);

// Standard normal float32, [samples, shape...], by Box and Muller: words (2k, 2k+1) give elements
// (2k, 2k+1). |z| <= 5.8. Devices agree up to their log, sin and cos.
torch::Tensor random_normal(const RandomKey& key, std::int64_t samples, torch::IntArrayRef shape,
                            torch::Device device);

// Uniform float32 in (0, 1), [samples, elements].
torch::Tensor random_uniform(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                             torch::Device device);

namespace reference {
// The same words by tensor operations; runs on any device. Exists beside the CPU loop as the GPU's
// body and as a check.
torch::Tensor random_words(const RandomKey& key, std::int64_t samples, std::int64_t elements,
                           torch::Device device);
}  // namespace reference

}  // namespace ddpm::ops
