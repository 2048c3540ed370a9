#include "ddpm/kernels/gradients.h"

#include "device.cuh"

namespace ddpm::kernels {
namespace {

// The number of elements of one source that a block moves: 16 for each thread.
constexpr int kTile = 16 * kThreads;
constexpr int kTableEntries = 128;

// The sources of one launch, passed as a kernel parameter. Source i has the tiles first_tile[i] to
// first_tile[i+1]-1.
struct GradientTable {
  const void* source[kTableEntries];
  std::int64_t offset[kTableEntries];
  std::int64_t count[kTableEntries];
  std::int32_t first_tile[kTableEntries + 1];
  std::int32_t entries;
};
static_assert(sizeof(GradientTable) + 64 <= 4096, "kernel parameters are limited to 4 KB");

// Finds the source of a tile: the last one whose first tile is at or before this tile.
__device__ int find_entry(const GradientTable& table, int tile) {
  int low = 0;
  int high = table.entries - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.first_tile[middle] <= tile)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// A block moves one tile, from elements of type S to those of type T. All loads come before the first
// store, so that they run at the same time.
template <typename S, typename T, bool kAccumulate>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const __grid_constant__ GradientTable table, T* flat) {
  wait_for_inputs();
  constexpr int kWidth = kVectorWidth<S> < kVectorWidth<T> ? kVectorWidth<S> : kVectorWidth<T>;
  constexpr int kVectors = kTile / (kThreads * kWidth);
  const int tile = static_cast<int>(blockIdx.x);
  const int entry = find_entry(table, tile);
  const std::int64_t start = static_cast<std::int64_t>(tile - table.first_tile[entry]) * kTile;
  const std::int64_t left = table.count[entry] - start;
  const S* source = static_cast<const S*>(table.source[entry]) + start;
  T* target = flat + table.offset[entry] + start;
  const bool aligned = is_aligned(source) && is_aligned(target);

  Floats<kWidth> values[kVectors];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int position = (i * kThreads + static_cast<int>(threadIdx.x)) * kWidth;
    values[i] = load_some<kWidth>(source + position, left - position, aligned);
    if constexpr (kAccumulate) {
      const auto old = load_some<kWidth>(target + position, left - position, aligned);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) values[i][k] += old[k];
    }
  }
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int position = (i * kThreads + static_cast<int>(threadIdx.x)) * kWidth;
    store_some(target + position, values[i], left - position, aligned);
  }
}

void launch_gather(const GradientTable& table, Type source_type, void* flat, Type type,
                   bool accumulate, Stream stream) {
  const auto blocks = static_cast<unsigned>(table.first_tile[table.entries]);
  dispatch(source_type, [&](auto source) {
    dispatch(type, [&](auto element) {
      using S = decltype(source);
      using T = decltype(element);
      const Launch size{blocks, kThreads, 0, stream};
      if (accumulate)
        launch<gather_kernel<S, T, true>>("gather_gradients", size, table, static_cast<T*>(flat));
      else
        launch<gather_kernel<S, T, false>>("gather_gradients", size, table, static_cast<T*>(flat));
    });
  });
}

}  // namespace

void gather_gradients(const GradientSource* sources, std::int64_t source_count, Type source_type,
                      void* flat, Type type, bool accumulate, Stream stream) {
  GradientTable table{};
  for (std::int64_t i = 0; i < source_count; ++i) {
    if (sources[i].count == 0) continue;
    const std::int64_t tiles = table.first_tile[table.entries] + divide_up(sources[i].count, kTile);
    if (tiles > INT32_MAX) throw std::runtime_error("gather_gradients: gradients too large");
    table.source[table.entries] = sources[i].source;
    table.offset[table.entries] = sources[i].offset;
    table.count[table.entries] = sources[i].count;
    table.first_tile[++table.entries] = static_cast<std::int32_t>(tiles);
    if (table.entries == kTableEntries) {
      launch_gather(table, source_type, flat, type, accumulate, stream);
      table = GradientTable{};
    }
  }
  if (table.entries > 0) launch_gather(table, source_type, flat, type, accumulate, stream);
}

}  // namespace ddpm::kernels
