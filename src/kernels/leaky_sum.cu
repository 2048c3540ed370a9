#include "ddpm/kernels/leaky_sum.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

template <typename T, int kWidth>
__device__ void add(Floats<kWidth>& sum, const T* term) {
  const Floats<kWidth> values = load<kWidth>(term);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] += values[i];
}

// A thread computes kWidth neighbouring channels of one row; row_vectors = channels / kWidth.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    leaky_sum_kernel(const LeakySum maps, std::int64_t vectors, std::int64_t row_vectors) {
  wait_for_inputs();
  const std::int64_t vector = thread_index();
  if (vector >= vectors) return;
  const std::int64_t offset = vector * kWidth;
  const auto at = [offset](const void* map) { return static_cast<const T*>(map) + offset; };
  Floats<kWidth> sum = load<kWidth>(at(maps.a));
  if (maps.bias != nullptr)
    add<T>(sum, static_cast<const T*>(maps.bias) + vector % row_vectors * kWidth);
  if (maps.residual != nullptr) add<T>(sum, at(maps.residual));
  if (maps.total != nullptr) add<T>(sum, at(maps.total));
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] = to_float(from_float<T>(sum[i] / maps.divisor));
  if (maps.sum != nullptr) store(static_cast<T*>(maps.sum) + offset, sum);
  if (maps.activated == nullptr) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] = sum[i] < 0 ? maps.slope * sum[i] : sum[i];
  store(static_cast<T*>(maps.activated) + offset, sum);
}

}  // namespace

void leaky_sum(const LeakySum& maps, Type type, std::int64_t rows, std::int64_t channels,
               Stream stream) {
  if (rows == 0 || channels == 0) return;
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t row_vectors = channels / width;
    launch<leaky_sum_kernel<T, width>>("leaky_sum", one_thread_each(rows * row_vectors, stream),
                                       maps, rows * row_vectors, row_vectors);
  };
  dispatch_width(type, channels, run, maps.a, maps.bias, maps.residual, maps.total, maps.sum,
                 maps.activated);
}

}  // namespace ddpm::kernels
