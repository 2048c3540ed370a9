#include "ddpm/kernels/random.h"

#include "device.cuh"
#include "random.cuh"

namespace ddpm::kernels {

namespace {

// A number in (0, 1) from the 23 high bits of the word, plus half a unit, as in base/random.h.
__device__ float unit_float(std::uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

// Two normal numbers from two words (Box-Muller). It uses the accurate functions, so that the CPU
// draws the same noise.
__device__ float2 normal_pair(std::uint32_t word1, std::uint32_t word2) {
  constexpr float kTwoPi = 6.283185307179586f;
  const float radius = sqrtf(-2.0f * logf(unit_float(word1)));
  float sine, cosine;
  sincosf(kTwoPi * unit_float(word2), &sine, &cosine);
  return make_float2(radius * cosine, radius * sine);
}

// A thread computes the four elements of one Philox block. row_blocks = ceil(elements / 4).
__global__ void __launch_bounds__(kThreads)
    random_normal_kernel(float* __restrict__ out, std::int64_t samples, std::int64_t elements,
                         std::int64_t row_blocks, bool aligned, RandomSource source) {
  wait_for_inputs();
  const std::int64_t row = thread_index() / row_blocks;
  const std::int64_t block = thread_index() % row_blocks;
  if (row >= samples) return;
  const uint4 words = random_words(row_key(source, row), static_cast<std::uint32_t>(block));
  const float2 first = normal_pair(words.x, words.y);
  const float2 second = normal_pair(words.z, words.w);
  store_some(out + row * elements + 4 * block, Floats<4>{{first.x, first.y, second.x, second.y}},
             elements - 4 * block, aligned);
}

__global__ void __launch_bounds__(kThreads)
    random_integers_kernel(std::int64_t* __restrict__ out, std::int64_t samples,
                           std::uint64_t bound, RandomSource source) {
  wait_for_inputs();
  const std::int64_t row = thread_index();
  if (row < samples) out[row] = word_below(random_words(row_key(source, row), 0).x, bound);
}

}  // namespace

void random_normal(float* out, std::int64_t samples, std::int64_t elements,
                   const RandomSource& source, Stream stream) {
  if (samples == 0 || elements == 0) return;
  const std::int64_t row_blocks = divide_up(elements, 4);
  const bool aligned = elements % 4 == 0 && is_aligned(out);
  launch<random_normal_kernel>("random_normal", one_thread_each(samples * row_blocks, stream), out,
                               samples, elements, row_blocks, aligned, source);
}

void random_integers(std::int64_t* out, std::int64_t samples, std::uint64_t bound,
                     const RandomSource& source, Stream stream) {
  if (samples == 0) return;
  launch<random_integers_kernel>("random_integers", one_thread_each(samples, stream), out, samples,
                                 bound, source);
}

}  // namespace ddpm::kernels
