#include "ddpm/kernels/geglu.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

__device__ float gelu(float x) { return 0.5f * x * (1 + erff(x * 0.70710678118654752f)); }

// A thread computes kWidth neighbouring channels of one row; row_vectors = channels / kWidth.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    geglu_kernel(const T* __restrict__ x, T* __restrict__ y, std::int64_t vectors,
                 std::int64_t row_vectors) {
  wait_for_inputs();
  const std::int64_t vector = thread_index();
  if (vector >= vectors) return;
  const std::int64_t row = vector / row_vectors, column = vector % row_vectors;
  const T* values = x + (2 * row * row_vectors + column) * kWidth;
  Floats<kWidth> result = load<kWidth>(values);
  const Floats<kWidth> gates = load<kWidth>(values + row_vectors * kWidth);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) result[i] *= gelu(gates[i]);
  store(y + vector * kWidth, result);
}

}  // namespace

void geglu(const void* x, void* y, Type type, std::int64_t rows, std::int64_t channels,
           Stream stream) {
  if (rows == 0 || channels == 0) return;
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t row_vectors = channels / width;
    launch<geglu_kernel<T, width>>("geglu", one_thread_each(rows * row_vectors, stream),
                                   static_cast<const T*>(x), static_cast<T*>(y), rows * row_vectors,
                                   row_vectors);
  };
  dispatch_width(type, channels, run, x, y);
}

}  // namespace ddpm::kernels
