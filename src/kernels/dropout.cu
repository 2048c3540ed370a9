#include "ddpm/kernels/dropout.h"

#include "device.cuh"
#include "random.cuh"

namespace ddpm::kernels {
namespace {

// A thread computes the eight elements of one Philox block. row_blocks = ceil(elements / 8). x may
// be y.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, T* y, std::int64_t samples, std::int64_t elements,
                   std::int64_t row_blocks, bool aligned, std::uint32_t threshold, float scale,
                   RandomSource source) {
  wait_for_inputs();
  const std::int64_t row = thread_index() / row_blocks;
  const std::int64_t block = thread_index() % row_blocks;
  if (row >= samples) return;
  const std::int64_t first = row * elements + 8 * block;
  const std::int64_t valid = elements - 8 * block;
  Floats<8> values = load_some<8>(x + first, valid, aligned);
  const uint4 random = random_words(row_key(source, row), static_cast<std::uint32_t>(block));
  const std::uint32_t words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::uint32_t number = i % 2 == 0 ? words[i / 2] & 0xFFFFu : words[i / 2] >> 16;
    values[i] = number >= threshold ? values[i] * scale : 0.0f;
  }
  store_some(y + first, values, valid, aligned);
}

}  // namespace

void dropout(const void* x, void* y, Type type, std::int64_t samples, std::int64_t elements,
             std::uint32_t threshold, float scale, const RandomSource& source, Stream stream) {
  if (samples == 0 || elements == 0) return;
  const std::int64_t row_blocks = divide_up(elements, 8);
  const bool aligned = elements % 8 == 0 && is_aligned(x) && is_aligned(y);
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    launch<dropout_kernel<T>>("dropout", one_thread_each(samples * row_blocks, stream),
                              static_cast<const T*>(x), static_cast<T*>(y), samples, elements,
                              row_blocks, aligned, threshold, scale, source);
  });
}

}  // namespace ddpm::kernels
