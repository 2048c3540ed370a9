#include "ddpm/kernels/image_convolution.h"

#include "device.cuh"

namespace ddpm::kernels {
namespace {

constexpr int kTaps = 9;

// The pixel of a thread. 32-bit integers are enough and faster.
struct Pixel {
  int number, plane, height, width, channels;
  int n, i, j;

  __device__ explicit Pixel(const ImageShape& s)
      : number(static_cast<int>(thread_index())),
        height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        channels(static_cast<int>(s.channels)) {
    plane = height * width;
    n = number / plane;
    i = number % plane / width;
    j = number % width;
  }

  __device__ bool exists(const ImageShape& s) const { return n < s.n; }
  __device__ bool has_neighbour(int di, int dj) const {
    return i + di >= 0 && i + di < height && j + dj >= 0 && j + dj < width;
  }
  // Reads one channel of the neighbour in an image; 0 outside.
  __device__ float read(const float* image, int channel, int di, int dj) const {
    if (!has_neighbour(di, dj)) return 0.0f;
    return image[(n * channels + channel) * plane + (i + di) * width + j + dj];
  }
};

// A thread writes the row of a pixel.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    unfold_image_kernel(const float* __restrict__ image, T* __restrict__ rows, int columns,
                        ImageShape s) {
  wait_for_inputs();
  const Pixel pixel(s);
  if (!pixel.exists(s)) return;
  constexpr int kWidth = 8;
  int tap = 0, channel = 0;
  for (int first = 0; first < columns; first += kWidth) {
    Floats<kWidth> values{};
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      if (tap < kTaps) values[k] = pixel.read(image, channel, tap / 3 - 1, tap % 3 - 1);
      if (++channel == pixel.channels) {
        channel = 0;
        ++tap;
      }
    }
    store(rows + static_cast<std::int64_t>(pixel.number) * columns + first, values);
  }
}

// A thread computes a pixel.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    fold_image_kernel(const float* __restrict__ planes, const T* __restrict__ bias,
                      float* __restrict__ image, ImageShape s) {
  wait_for_inputs();
  const Pixel pixel(s);
  if (!pixel.exists(s)) return;
  const int pixels = static_cast<int>(s.n) * pixel.plane;
  for (int c = 0; c < pixel.channels; ++c) {
    float sum = to_float(bias[c]);
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const int di = tap / 3 - 1, dj = tap % 3 - 1;
      if (pixel.has_neighbour(di, dj))
        sum += planes[(c * kTaps + tap) * pixels + pixel.number + di * pixel.width + dj];
    }
    image[(pixel.n * pixel.channels + c) * pixel.plane + pixel.number % pixel.plane] = sum;
  }
}

// A thread writes the elements of one pixel in all planes.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    fold_image_backward_kernel(const float* __restrict__ image, T* __restrict__ planes,
                               ImageShape s) {
  wait_for_inputs();
  const Pixel pixel(s);
  if (!pixel.exists(s)) return;
  const int pixels = static_cast<int>(s.n) * pixel.plane;
  for (int c = 0; c < pixel.channels; ++c)
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap)
      planes[(c * kTaps + tap) * pixels + pixel.number] =
          from_float<T>(pixel.read(image, c, 1 - tap / 3, 1 - tap % 3));
}

// The size of a launch with one thread for each pixel.
Launch size_for(const ImageShape& s, Stream stream) {
  if (s.n * s.height * s.width * kTaps * s.channels > INT32_MAX)
    throw std::runtime_error("image convolution: too many pixels");
  return one_thread_each(s.n * s.height * s.width, stream);
}

}  // namespace

void unfold_image(const float* image, void* rows, Type type, std::int64_t columns,
                  const ImageShape& s, Stream stream) {
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    launch<unfold_image_kernel<T>>("unfold_image", size_for(s, stream), image,
                                   static_cast<T*>(rows), static_cast<int>(columns), s);
  });
}

void fold_image(const float* planes, const void* bias, Type bias_type, float* image,
                const ImageShape& s, Stream stream) {
  dispatch(bias_type, [&](auto element) {
    using T = decltype(element);
    launch<fold_image_kernel<T>>("fold_image", size_for(s, stream), planes,
                                 static_cast<const T*>(bias), image, s);
  });
}

void fold_image_backward(const float* image, void* planes, Type type, const ImageShape& s,
                         Stream stream) {
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    launch<fold_image_backward_kernel<T>>("fold_image_backward", size_for(s, stream), image,
                                          static_cast<T*>(planes), s);
  });
}

}  // namespace ddpm::kernels
