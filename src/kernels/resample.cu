#include "ddpm/kernels/resample.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// Sizes of the small map in vectors of kWidth channels: rows = n * height.
struct MapShape {
  std::int64_t rows;
  std::int64_t width;
  std::int64_t pixel_vectors;

  __host__ __device__ std::int64_t vectors() const { return rows * width * pixel_vectors; }
};

// Number of the large map's first vector among the four that belong to a vector of the small map.
// The others follow pixel_vectors and 2 * width * pixel_vectors later. Row r of the small map, over
// all images, is rows 2r and 2r+1 of the large one.
__device__ std::int64_t large_vector(const MapShape& shape, std::int64_t vector) {
  const std::int64_t pixel = vector / shape.pixel_vectors;
  const std::int64_t channel_vector = vector % shape.pixel_vectors;
  const std::int64_t row = pixel / shape.width;
  const std::int64_t column = pixel % shape.width;
  return (2 * row * 2 * shape.width + 2 * column) * shape.pixel_vectors + channel_vector;
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    upsample_kernel(const T* __restrict__ x, T* __restrict__ y, MapShape shape) {
  const std::int64_t vector = thread_index();
  if (vector >= shape.vectors()) return;
  const auto values = load<kWidth>(x + vector * kWidth);
  T* corner = y + large_vector(shape, vector) * kWidth;
  const std::int64_t right = shape.pixel_vectors * kWidth;
  const std::int64_t down = 2 * shape.width * right;
  store(corner, values);
  store(corner + right, values);
  store(corner + down, values);
  store(corner + down + right, values);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    upsample_backward_kernel(const T* __restrict__ dy, T* __restrict__ dx, MapShape shape) {
  const std::int64_t vector = thread_index();
  if (vector >= shape.vectors()) return;
  const T* corner = dy + large_vector(shape, vector) * kWidth;
  const std::int64_t right = shape.pixel_vectors * kWidth;
  const std::int64_t down = 2 * shape.width * right;
  const auto a = load<kWidth>(corner);
  const auto b = load<kWidth>(corner + right);
  const auto c = load<kWidth>(corner + down);
  const auto d = load<kWidth>(corner + down + right);
  Floats<kWidth> sum;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] = (a[i] + b[i]) + (c[i] + d[i]);
  store(dx + vector * kWidth, sum);
}

template <typename T, int kWidth, bool kBackward>
void launch_resample(const void* in, void* out, std::int64_t rows, std::int64_t width,
                     std::int64_t channels, Stream stream) {
  const MapShape shape{rows, width, channels / kWidth};
  const unsigned blocks = blocks_for(shape.vectors());
  const T* input = static_cast<const T*>(in);
  T* output = static_cast<T*>(out);
  if constexpr (kBackward)
    upsample_backward_kernel<T, kWidth><<<blocks, kThreads, 0, stream>>>(input, output, shape);
  else
    upsample_kernel<T, kWidth><<<blocks, kThreads, 0, stream>>>(input, output, shape);
  check_launch(kBackward ? "upsample_nearest_backward" : "upsample_nearest");
}

template <bool kBackward>
void resample(const void* in, void* out, Type type, std::int64_t rows, std::int64_t width,
              std::int64_t channels, Stream stream) {
  if (rows * width * channels == 0) return;
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    if (channels % kVectorWidth<T> == 0 && is_aligned(in) && is_aligned(out))
      launch_resample<T, kVectorWidth<T>, kBackward>(in, out, rows, width, channels, stream);
    else
      launch_resample<T, 1, kBackward>(in, out, rows, width, channels, stream);
  });
}

}  // namespace

void upsample_nearest(const void* x, void* y, Type type, std::int64_t n, std::int64_t height,
                      std::int64_t width, std::int64_t channels, Stream stream) {
  resample<false>(x, y, type, n * height, width, channels, stream);
}

void upsample_nearest_backward(const void* dy, void* dx, Type type, std::int64_t n,
                               std::int64_t height, std::int64_t width, std::int64_t channels,
                               Stream stream) {
  resample<true>(dy, dx, type, n * height, width, channels, stream);
}

}  // namespace ddpm::kernels
