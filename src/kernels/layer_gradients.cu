#include "ddpm/kernels/layer_gradients.h"

#include <algorithm>

#include "device.cuh"

namespace ddpm::kernels {
namespace {

// Rows are cut into chunks; a block sums one chunk of some columns.
constexpr std::int64_t kMinChunkRows = 256;
constexpr std::int64_t kMaxChunks = 512;

// The number of threads along the columns of a block. The first pass reads long pieces of rows; the
// last pass has so few numbers that narrow blocks are better, because there are more of them.
constexpr int kWideColumns = 16;
constexpr int kNarrowColumns = 4;

std::int64_t chunk_rows(std::int64_t rows) {
  return std::max(kMinChunkRows, divide_up(rows, kMaxChunks));
}

std::int64_t chunk_count(std::int64_t rows) {
  return std::max<std::int64_t>(1, divide_up(rows, chunk_rows(rows)));
}

// out[chunk,c] = sum of x[r,c] over the rows of the chunk. Block (i, j) computes the columns of
// tile i for chunk j. A thread sums every kRowThreads-th row of the chunk for kWidth columns; then
// the sums of all threads of a column are added in pairs.
template <typename X, typename Out, int kWidth, int kColumnThreads>
__global__ void __launch_bounds__(kThreads)
    column_sums_kernel(const X* __restrict__ x, Out* __restrict__ out, std::int64_t rows,
                       std::int64_t channels, std::int64_t rows_per_chunk) {
  wait_for_inputs();
  constexpr int kRowThreads = kThreads / kColumnThreads;
  __shared__ Floats<kWidth> sums[kRowThreads][kColumnThreads];
  const int column_thread = threadIdx.x % kColumnThreads;
  const int row_thread = threadIdx.x / kColumnThreads;
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.x) * kColumnThreads + column_thread) * kWidth;
  const std::int64_t first_row = blockIdx.y * rows_per_chunk;
  const std::int64_t end_row = min(first_row + rows_per_chunk, rows);

  Floats<kWidth> sum{};
  if (column < channels) {
#pragma unroll 8
    for (std::int64_t row = first_row + row_thread; row < end_row; row += kRowThreads) {
      const auto values = load<kWidth>(x + row * channels + column);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sum[i] += values[i];
    }
  }
  sums[row_thread][column_thread] = sum;
  __syncthreads();
  for (int half = kRowThreads / 2; half > 0; half /= 2) {
    if (row_thread < half) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i)
        sums[row_thread][column_thread][i] += sums[row_thread + half][column_thread][i];
    }
    __syncthreads();
  }
  if (row_thread == 0 && column < channels)
    store(out + blockIdx.y * channels + column, sums[0][column_thread]);
}

// Sums x [rows,channels] to out [chunks,channels]. Vectors of x and out have the same number of
// elements: 16 bytes of x, or one.
template <typename X, typename Out, int kColumnThreads>
void launch_column_sums(const X* x, Out* out, std::int64_t rows, std::int64_t channels,
                        std::int64_t rows_per_chunk, std::int64_t chunks, Stream stream) {
  constexpr int kWidth = kVectorWidth<X>;
  const bool vectors = channels % kWidth == 0 && is_aligned(x) && is_aligned(out);
  const std::int64_t tiles = divide_up(channels, (vectors ? kWidth : 1) * kColumnThreads);
  if (tiles > INT32_MAX) throw std::runtime_error("column_sums: too many columns");
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(chunks));
  const Launch size = {grid, kThreads, 0, stream};
  if (vectors)
    launch<column_sums_kernel<X, Out, kWidth, kColumnThreads>>("column_sums", size, x, out, rows,
                                                               channels, rows_per_chunk);
  else
    launch<column_sums_kernel<X, Out, 1, kColumnThreads>>("column_sums", size, x, out, rows,
                                                          channels, rows_per_chunk);
}

}  // namespace

std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t channels) {
  const std::int64_t chunks = chunk_count(rows);
  return chunks == 1 ? 0 : chunks * channels;
}

void column_sums(const void* x, Type x_type, std::int64_t rows, std::int64_t channels,
                 float* partials, void* out, Type out_type, Stream stream) {
  if (channels == 0) return;
  const std::int64_t chunks = chunk_count(rows);
  dispatch(x_type, [&](auto x_element) {
    using X = decltype(x_element);
    const X* matrix = static_cast<const X*>(x);
    if (chunks > 1)
      launch_column_sums<X, float, kWideColumns>(matrix, partials, rows, channels, chunk_rows(rows),
                                                 chunks, stream);
    dispatch(out_type, [&](auto out_element) {
      using Out = decltype(out_element);
      Out* sums = static_cast<Out*>(out);
      if (chunks > 1)
        launch_column_sums<float, Out, kNarrowColumns>(partials, sums, chunks, channels, chunks, 1,
                                                       stream);
      else
        launch_column_sums<X, Out, kNarrowColumns>(matrix, sums, rows, channels, rows, 1, stream);
    });
  });
}

}  // namespace ddpm::kernels
