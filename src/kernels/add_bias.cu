#include "ddpm/kernels/add_bias.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// A thread computes kWidth neighbouring channels of one row; row_vectors = channels / kWidth. out
// may be a or b.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    add_bias_kernel(const T* a, const T* __restrict__ bias, const T* b, T* out,
                    std::int64_t vectors, std::int64_t row_vectors) {
  wait_for_inputs();
  const std::int64_t vector = thread_index();
  if (vector >= vectors) return;
  Floats<kWidth> sum = load<kWidth>(a + vector * kWidth);
  Floats<kWidth> other{};
  if (b != nullptr) other = load<kWidth>(b + vector * kWidth);
  if (bias != nullptr) {
    const auto offset = load<kWidth>(bias + vector % row_vectors * kWidth);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sum[i] += offset[i];
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] += other[i];
  store(out + vector * kWidth, sum);
}

}  // namespace

void add_bias(const void* a, const void* bias, const void* b, void* out, Type type,
              std::int64_t rows, std::int64_t channels, Stream stream) {
  if (rows == 0 || channels == 0) return;
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t row_vectors = channels / width;
    launch<add_bias_kernel<T, width>>("add_bias", one_thread_each(rows * row_vectors, stream),
                                      static_cast<const T*>(a), static_cast<const T*>(bias),
                                      static_cast<const T*>(b), static_cast<T*>(out),
                                      rows * row_vectors, row_vectors);
  };
  dispatch_width(type, channels, run, a, bias, b, out);
}

}  // namespace ddpm::kernels
