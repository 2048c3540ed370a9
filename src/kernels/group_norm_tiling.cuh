// Divides the work of a group normalization.
//
// A block handles the positions of one chunk of one sample for a run of adjacent channels. A thread
// handles one column of the run (8 channels, one vector) at every `rows`-th position, so it can
// keep the numbers of its channels in registers. There are two methods:
//  - slab: the chunk stays in shared memory and one kernel does everything. The chunk is the whole
//    image; or, forward, the blocks of a cluster hold the chunks of an image and exchange
//    their sums, which serves larger images.
//  - chunked: for images too large for that; kernels compute the partial sums of chunks, then their
//    totals, then the result in a second pass over the tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>

#include "ddpm/kernels/group_norm.h"
#include "device.cuh"

namespace ddpm::kernels {

// The number of channels that a thread handles at a time: 16 bytes of bfloat16 or 32 of float32.
constexpr int kVector = 8;

constexpr int kMaxThreads = 512;
constexpr int kUsualThreads = 256;
constexpr int kMinThreads = 64;
constexpr int kWarp = 32;

constexpr int kStages = 4;  // stages in which a slab is copied to shared memory

struct Geometry {
  int positions, channels, first_channels, groups, group_channels;
};

struct Tiling {
  int columns;          // columns of a block; its width is columns * kVector channels
  int lane_bits;        // log2 of the threads for a position: columns rounded up to a power of two
  int rows;             // positions that the threads of a block handle at a time
  int column_blocks;    // blocks for all channels; adjacent blocks read adjacent memory
  int chunks;           // chunks of all positions
  int chunk_positions;  // positions of a chunk; the last chunk may have fewer
  int threads;          // lanes() * rows
  int stage_positions;  // positions of a slab in one stage of its copy

  __host__ __device__ int width() const { return columns * kVector; }
  __host__ __device__ int lanes() const { return 1 << lane_bits; }
  // The number of partial sums in sum_over_rows: one for each warp, or for each row if a row fills
  // a warp.
  __host__ __device__ int partials() const { return lanes() < kWarp ? threads / kWarp : rows; }
};

inline Geometry geometry_of(const GroupNormShape& s) {
  return {static_cast<int>(s.positions), static_cast<int>(s.channels),
          static_cast<int>(s.first_channels), s.groups, static_cast<int>(s.channels / s.groups)};
}

inline int bytes_of(Type type) { return type == Type::kBFloat16 ? 2 : 4; }

// log2 of the number of threads for a position with `columns` columns.
inline int lane_bits_for(int columns) {
  int bits = 0;
  while (1 << bits < columns) ++bits;
  return bits;
}

// The tiling of slabs of `columns` columns in so many chunks. Few threads with several vectors each
// spend less time on sums over the block, but small images or few blocks need more threads to hide
// latencies.
inline Tiling slab_tiling(const Geometry& g, int columns, std::int64_t samples, int chunks = 1) {
  constexpr int kVectorsPerThread = 8;
  constexpr int kMinRows = 16;
  constexpr int kThreadsOfProcessor = 768;
  Tiling t = {};
  t.columns = columns;
  t.lane_bits = lane_bits_for(columns);
  t.column_blocks = g.channels / t.width();
  t.chunk_positions = (g.positions + chunks - 1) / chunks;
  t.chunks = (g.positions + t.chunk_positions - 1) / t.chunk_positions;
  const int positions = t.chunk_positions;
  const int rows_wanted =
      std::max(kMinRows, (positions + kVectorsPerThread - 1) / kVectorsPerThread);
  t.threads = kUsualThreads;
  while (t.threads > kMinThreads && t.threads / 2 >= t.lanes() * rows_wanted) t.threads /= 2;
  const std::int64_t blocks = samples * t.column_blocks * t.chunks;
  const std::int64_t wanted = std::int64_t{kThreadsOfProcessor} * device_limits().processors;
  while (t.threads < kMaxThreads && t.threads < t.lanes() * positions &&
         blocks * t.threads < wanted)
    t.threads *= 2;
  t.threads = std::max(t.threads, t.lanes());
  t.rows = t.threads / t.lanes();
  t.stage_positions = (positions + kStages * t.rows - 1) / (kStages * t.rows) * t.rows;
  return t;
}

// The floats of shared memory for `count` sums over rows for each channel, partial and total.
__host__ __device__ inline int sum_floats(const Tiling& t, int count) {
  return (t.partials() + 1) * count * t.width();
}

// The bytes of shared memory of a slab that keeps `tensors` tensors: their elements, and for each
// channel tensors + 1 sums and tensors + 2 coefficients, in the forward and backward pass alike.
inline std::int64_t slab_bytes(const Tiling& t, int tensors, int element_bytes) {
  const std::int64_t elements = std::int64_t{tensors} * t.chunk_positions * t.width();
  const std::int64_t floats = sum_floats(t, tensors + 1) + (tensors + 2) * t.width();
  return elements * element_bytes + floats * static_cast<int>(sizeof(float));
}

// Chooses the width of the slab. It is as narrow as possible, because several small blocks fit on a
// multiprocessor, but wide enough for whole memory bursts and for enough work in each block.
// `tensors` is the number of tensors kept: 1 forward, 2 backward. Returns false if no slab is good.
inline bool choose_slab(const GroupNormShape& shape, int tensors, Tiling& best) {
  constexpr int kMinRunBytes = 32;   // a sector of DRAM; less wastes bandwidth
  constexpr int kGoodRunBytes = 64;  // a burst of DRAM
  constexpr int kGoodBlockBytes = 16 * 1024;
  constexpr int kLargestBytes = 113 * 1024;  // two blocks on a multiprocessor of 228 KB
  constexpr int kCudaBytes = 1024;           // shared memory that CUDA reserves in each block
  const Geometry g = geometry_of(shape);
  const DeviceLimits& device = device_limits();
  const int element = bytes_of(shape.type);
  const int unit = std::lcm(g.group_channels, kVector) / kVector;  // columns of whole groups
  const int all = g.channels / kVector;
  const int largest = std::min(device.shared_per_block, kLargestBytes);
  constexpr int kGoodBlocks = 3;  // per multiprocessor
  const int comfortable = device.shared_per_processor / kGoodBlocks - kCudaBytes;
  int chosen = 0;
  for (int columns = unit; columns <= std::min(all, kUsualThreads); columns += unit) {
    if (all % columns != 0) continue;
    const std::int64_t bytes = slab_bytes(slab_tiling(g, columns, shape.samples), tensors, element);
    if (bytes > largest) break;
    const int run = chosen * kVector * element;
    const bool enough_work = std::int64_t{tensors} * g.positions * run >= kGoodBlockBytes;
    const bool enough = run >= kGoodRunBytes && enough_work;
    const bool few_blocks = shape.samples * (all / columns) < device.processors * 3 / 2;
    const bool acceptable = run > 0 && run % kMinRunBytes == 0;
    if (acceptable && (enough || bytes > comfortable || few_blocks)) break;
    chosen = columns;
  }
  if (chosen == 0 || (chosen * kVector * element < kMinRunBytes && chosen < all)) return false;
  best = slab_tiling(g, chosen, shape.samples);
  return true;
}

// Chooses how many blocks of a cluster share an image that is too large for a slab: as few as fill the
// GPU. Returns false if even the largest cluster cannot hold it.
inline bool choose_cluster(const GroupNormShape& shape, Tiling& best) {
  constexpr int kLargestCluster = 8;  // what every GPU with clusters can launch
  constexpr int kMinRunBytes = 64;    // a burst of DRAM
  const Geometry g = geometry_of(shape);
  const DeviceLimits& device = device_limits();
  const int element = bytes_of(shape.type);
  const int unit = std::lcm(g.group_channels, kVector) / kVector;  // columns of whole groups
  const int all = g.channels / kVector;
  int columns = unit;
  while (columns < all && (columns * kVector * element < kMinRunBytes || all % columns != 0))
    columns += unit;
  if (columns > std::min(all, kUsualThreads)) return false;
  bool found = false;
  for (int chunks = 2; chunks <= kLargestCluster; chunks *= 2) {
    const Tiling t = slab_tiling(g, columns, shape.samples, chunks);
    if (t.chunks != chunks || slab_bytes(t, 1, element) > device.shared_per_block) continue;
    best = t;
    found = true;
    if (shape.samples * t.column_blocks * chunks >= device.processors * 3 / 4) break;
  }
  return found;
}

inline Tiling chunked_tiling(const Geometry& g) {
  constexpr int kMaxColumns = kWarp;
  constexpr int kPositionsPerThread = 8;
  const int all = g.channels / kVector;
  Tiling t = {};
  t.columns = std::min(all, kMaxColumns);
  t.lane_bits = lane_bits_for(t.columns);
  t.threads = kUsualThreads;
  t.rows = t.threads / t.lanes();
  t.column_blocks = (all + t.columns - 1) / t.columns;
  t.chunk_positions = std::min(g.positions, t.rows * kPositionsPerThread);
  t.chunks = (g.positions + t.chunk_positions - 1) / t.chunk_positions;
  return t;
}

// The method and tiling for a shape.
struct Plan {
  bool slab;
  Tiling tiling;
};

inline Plan make_plan(const GroupNormShape& shape, int tensors) {
  if (!group_norm_supported(shape)) throw std::invalid_argument("unsupported group_norm shape");
  Plan plan = {false, chunked_tiling(geometry_of(shape))};
  if (shape.force_chunked) return plan;
  plan.slab = choose_slab(shape, tensors, plan.tiling);
  const bool forward = tensors == 1;
  if (!plan.slab && forward && device_limits().has_clusters)
    plan.slab = choose_cluster(shape, plan.tiling);
  return plan;
}

}  // namespace ddpm::kernels
