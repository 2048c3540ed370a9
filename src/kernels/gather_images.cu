#include "ddpm/kernels/gather_images.h"

#include <cmath>

#include "device.cuh"
#include "random.cuh"

namespace ddpm::kernels {

namespace {

// The number of values that a block writes; a larger image needs several blocks.
constexpr std::int64_t kTile = 16 * kThreads;

// The smallest m with m * m >= count. The square root in double is wrong by at most one here.
std::uint64_t ceil_sqrt(std::uint64_t count) {
  auto m = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(count)));
  while (m * m < count) ++m;
  while (m > 1 && (m - 1) * (m - 1) >= count) --m;
  return m;
}

// The same permutation of [0, m * m) as in data/order.cpp.
__device__ std::uint64_t permute_square(std::uint64_t value, std::uint64_t m, RandomKey key) {
  std::uint64_t left = value / m;
  std::uint64_t right = value % m;
  for (std::uint32_t round = 0; round < 8; ++round) {
    key.sample = right;
    const uint4 words = random_words(key, round);
    const std::uint64_t word = std::uint64_t{words.x} << 32 | words.y;
    const std::uint64_t mixed = (left + word % m) % m;
    left = right;
    right = mixed;
  }
  return left * m + right;
}

// The index in the store of the training image at `position`. m = ceil_sqrt(count).
__device__ std::int64_t dataset_index(std::uint64_t position, std::uint64_t count, std::uint64_t m,
                                      std::uint64_t seed) {
  const RandomKey key{seed, RandomStream::kShuffle, position / count, 0};
  std::uint64_t value = position % count;
  do {
    value = permute_square(value, m, key);
  } while (value >= count);
  return static_cast<std::int64_t>(value);
}

// The part of a stored image that is copied to the batch.
struct Window {
  std::int64_t image;
  std::int64_t top;
  std::int64_t left;
  bool mirrored;
};

__device__ Window choose_window(const BatchShape& shape, const BatchOptions& options,
                                std::uint64_t m, std::uint64_t position) {
  const std::int64_t free_rows = shape.stored_height - shape.height;
  const std::int64_t free_columns = shape.stored_width - shape.width;
  Window window{dataset_index(position, static_cast<std::uint64_t>(shape.count), m, options.seed),
                free_rows / 2, free_columns / 2, false};
  if (options.random_crop) {
    const uint4 words = random_words({options.seed, RandomStream::kCrop, 0, position}, 0);
    window.top = word_below(words.x, static_cast<std::uint64_t>(free_rows + 1));
    window.left = word_below(words.y, static_cast<std::uint64_t>(free_columns + 1));
  }
  if (options.horizontal_flip)
    window.mirrored =
        word_below(random_words({options.seed, RandomStream::kFlip, 0, position}, 0).x, 2);
  return window;
}

// Converts a pixel to the value that the model gets, in float64 as on the CPU.
__device__ float pixel_value(unsigned u, bool symmetric) {
  return static_cast<float>(symmetric ? u / 127.5 - 1.0 : u / 255.0);
}

// Block (i, j) writes values j * kTile .. (j+1) * kTile - 1 of image i.
__global__ void __launch_bounds__(kThreads)
    gather_images_kernel(const std::uint8_t* __restrict__ store, float* __restrict__ out,
                         BatchShape shape, BatchOptions options, std::uint64_t m,
                         const std::int64_t* __restrict__ first_position) {
  wait_for_inputs();
  __shared__ Window window;
  __shared__ float table[256];
  static_assert(kThreads == 256, "a thread makes one entry of the table");
  table[threadIdx.x] = pixel_value(threadIdx.x, options.symmetric);
  // The choice takes about a hundred dependent multiplications and divisions, so only one thread of
  // the block makes it.
  if (threadIdx.x == 0) {
    const auto position = static_cast<std::uint64_t>(first_position[0]) + blockIdx.x;
    window = choose_window(shape, options, m, position);
  }
  __syncthreads();

  const auto channels = static_cast<unsigned>(shape.channels);
  const auto width = static_cast<unsigned>(shape.width);
  const auto values = static_cast<unsigned>(shape.height) * width * channels;
  const std::uint8_t* image =
      store + window.image * shape.stored_height * shape.stored_width * shape.channels;
  float* image_out = out + static_cast<std::int64_t>(blockIdx.x) * values;
  const unsigned first = blockIdx.y * static_cast<unsigned>(kTile);
  for (unsigned i = threadIdx.x; i < kTile && first + i < values; i += kThreads) {
    const unsigned pixel = (first + i) / channels;
    const unsigned channel = (first + i) % channels;
    const unsigned x = pixel % width;
    const std::int64_t row = window.top + pixel / width;
    const std::int64_t column = window.left + (window.mirrored ? width - 1 - x : x);
    image_out[first + i] =
        table[image[(row * shape.stored_width + column) * shape.channels + channel]];
  }
}

}  // namespace

void gather_images(const std::uint8_t* store, float* out, const BatchShape& shape,
                   const BatchOptions& options, const std::int64_t* first_position, std::int64_t n,
                   Stream stream) {
  const std::int64_t tiles = divide_up(shape.height * shape.width * shape.channels, kTile);
  if (n == 0 || tiles == 0) return;
  if (shape.count < 1 || shape.height > shape.stored_height || shape.width > shape.stored_width)
    throw std::runtime_error("gather_images: the window does not fit in the stored images");
  if (tiles > 65535 || n > INT32_MAX) throw std::runtime_error("gather_images: batch too large");
  const dim3 grid(static_cast<unsigned>(n), static_cast<unsigned>(tiles));
  launch<gather_images_kernel>("gather_images", {grid, kThreads, 0, stream}, store, out, shape,
                               options, ceil_sqrt(static_cast<std::uint64_t>(shape.count)),
                               first_position);
}

}  // namespace ddpm::kernels
