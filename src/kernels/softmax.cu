#include "ddpm/kernels/softmax.h"

#include <cmath>

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// The number of elements of a vector.
constexpr int kWidth = 8;

// ---- Rows in registers: kLanes lanes for each row, kVectors vectors for each lane ----

// The elements of a row in one lane: vector i of the lane is vector i * kLanes + lane of the row.
template <int kVectors>
using RowPart = Floats<kVectors * kWidth>;

// The place of a group of kLanes lanes. Groups after the last row compute too but store nothing,
// because all lanes of a warp must take part in its shuffles.
template <int kLanes>
struct RowPlace {
  std::int64_t row;
  int lane;
  bool exists;

  __device__ explicit RowPlace(std::int64_t rows)
      : row(thread_index() / kLanes), lane(threadIdx.x % kLanes), exists(row < rows) {}

  __device__ int column(int vector) const { return (vector * kLanes + lane) * kWidth; }
};

template <int kLanes, int kVectors, typename T>
__device__ RowPart<kVectors> load_row(const T* matrix, const RowPlace<kLanes>& place, int cols,
                                      float padding) {
  RowPart<kVectors> part;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const bool inside = place.exists && place.column(v) < cols;
    Floats<kWidth> values{};
    if (inside) values = load<kWidth>(matrix + place.row * cols + place.column(v));
#pragma unroll
    for (int i = 0; i < kWidth; ++i) part[v * kWidth + i] = inside ? values[i] : padding;
  }
  return part;
}

template <int kLanes, int kVectors, typename T>
__device__ void store_row(T* matrix, const RowPlace<kLanes>& place, int cols,
                          const RowPart<kVectors>& part) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (!place.exists || place.column(v) >= cols) continue;
    Floats<kWidth> values;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] = part[v * kWidth + i];
    store(matrix + place.row * cols + place.column(v), values);
  }
}

template <typename T, int kLanes, int kVectors>
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(T* scores, std::int64_t rows, int cols, float scale) {
  wait_for_inputs();
  constexpr int kElements = kVectors * kWidth;
  const RowPlace<kLanes> place(rows);
  RowPart<kVectors> part = load_row<kLanes, kVectors>(scores, place, cols, 0.0f);
  float largest = -INFINITY;
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    // Padding is set after the multiplication: a negative scale would turn -infinity to infinity.
    const bool inside = place.column(i / kWidth) < cols;
    part[i] = inside ? part[i] * scale : -INFINITY;
    largest = fmaxf(largest, part[i]);
  }
  largest = reduce_lanes<kLanes>(largest, Max{});
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    part[i] = expf(part[i] - largest);
    sum += part[i];
  }
  const float factor = 1.0f / reduce_lanes<kLanes>(sum, Add{});
#pragma unroll
  for (int i = 0; i < kElements; ++i) part[i] *= factor;
  store_row<kLanes, kVectors>(scores, place, cols, part);
}

template <typename T, int kLanes, int kVectors>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(const T* __restrict__ p, T* dp, std::int64_t rows, int cols,
                            float scale) {
  wait_for_inputs();
  constexpr int kElements = kVectors * kWidth;
  const RowPlace<kLanes> place(rows);
  const RowPart<kVectors> probability = load_row<kLanes, kVectors>(p, place, cols, 0.0f);
  RowPart<kVectors> gradient = load_row<kLanes, kVectors>(dp, place, cols, 0.0f);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kElements; ++i) sum += probability[i] * gradient[i];
  sum = reduce_lanes<kLanes>(sum, Add{});
#pragma unroll
  for (int i = 0; i < kElements; ++i) gradient[i] = scale * probability[i] * (gradient[i] - sum);
  store_row<kLanes, kVectors>(dp, place, cols, gradient);
}

// ---- Rows of any length: one block for each row, several passes over memory ----

template <typename T>
__global__ void __launch_bounds__(kThreads)
    softmax_long_kernel(T* scores, std::int64_t cols, float scale) {
  wait_for_inputs();
  __shared__ float shared[kThreads / 32];
  T* row = scores + blockIdx.x * cols;
  float largest = -INFINITY;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    largest = fmaxf(largest, to_float(row[c]) * scale);
  largest = reduce_block(largest, shared, Max{});
  float sum = 0.0f;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    sum += expf(to_float(row[c]) * scale - largest);
  const float factor = 1.0f / reduce_block(sum, shared, Add{});
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    row[c] = from_float<T>(expf(to_float(row[c]) * scale - largest) * factor);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    softmax_backward_long_kernel(const T* __restrict__ p, T* dp, std::int64_t cols, float scale) {
  wait_for_inputs();
  __shared__ float shared[kThreads / 32];
  const T* probability = p + blockIdx.x * cols;
  T* gradient = dp + blockIdx.x * cols;
  float sum = 0.0f;
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    sum += to_float(probability[c]) * to_float(gradient[c]);
  sum = reduce_block(sum, shared, Add{});
  for (std::int64_t c = threadIdx.x; c < cols; c += kThreads)
    gradient[c] = from_float<T>(scale * to_float(probability[c]) * (to_float(gradient[c]) - sum));
}

// ---- Choice ----

// The shape of a row in registers, as a type that `dispatch_row` can pass to a function.
template <int kLanesOfRow, int kVectorsOfLane>
struct RowShape {
  static constexpr int kLanes = kLanesOfRow;
  static constexpr int kVectors = kVectorsOfLane;
};

// Calls function with the smallest shape that holds `cols` <= 1024 elements.
template <typename Function>
void dispatch_row(std::int64_t cols, Function&& function) {
  if (cols <= 16)
    function(RowShape<2, 1>{});
  else if (cols <= 64)
    function(RowShape<8, 1>{});
  else if (cols <= 256)
    function(RowShape<32, 1>{});
  else if (cols <= 512)
    function(RowShape<32, 2>{});
  else
    function(RowShape<32, 4>{});
}

// The number of blocks of a kernel with one block for each row.
unsigned row_blocks(std::int64_t rows) {
  if (rows > INT32_MAX) throw std::runtime_error("softmax: too many rows");
  return static_cast<unsigned>(rows);
}

}  // namespace

void softmax(void* scores, Type type, std::int64_t rows, std::int64_t cols, float scale,
             Stream stream) {
  if (rows == 0 || cols == 0) return;
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    T* matrix = static_cast<T*>(scores);
    if (cols > 1024 || cols % kWidth != 0 || !is_aligned(scores)) {
      launch<softmax_long_kernel<T>>("softmax", {row_blocks(rows), kThreads, 0, stream}, matrix,
                                     cols, scale);
      return;
    }
    dispatch_row(cols, [&](auto shape) {
      using Shape = decltype(shape);
      launch<softmax_kernel<T, Shape::kLanes, Shape::kVectors>>(
          "softmax", one_thread_each(rows * Shape::kLanes, stream), matrix, rows,
          static_cast<int>(cols), scale);
    });
  });
}

void softmax_backward(const void* p, void* dp, Type type, std::int64_t rows, std::int64_t cols,
                      float scale, Stream stream) {
  if (rows == 0 || cols == 0) return;
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    const T* probability = static_cast<const T*>(p);
    T* gradient = static_cast<T*>(dp);
    if (cols > 1024 || cols % kWidth != 0 || !is_aligned(p) || !is_aligned(dp)) {
      launch<softmax_backward_long_kernel<T>>("softmax_backward",
                                              {row_blocks(rows), kThreads, 0, stream}, probability,
                                              gradient, cols, scale);
      return;
    }
    dispatch_row(cols, [&](auto shape) {
      using Shape = decltype(shape);
      launch<softmax_backward_kernel<T, Shape::kLanes, Shape::kVectors>>(
          "softmax_backward", one_thread_each(rows * Shape::kLanes, stream), probability, gradient,
          rows, static_cast<int>(cols), scale);
    });
  });
}

}  // namespace ddpm::kernels
