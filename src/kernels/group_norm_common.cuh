// What the forward and backward kernels of group normalization share: how work is divided, where a
// thread finds its data, sums over a block and dropout.
//
// A block handles the positions of one chunk of one sample for a run of adjacent channels. A thread
// handles one column of the run (8 channels, one vector) at every `rows`-th position, so what it
// needs per channel stays in registers. Two paths:
//  - slab: the chunk is the whole image and stays in shared memory; one kernel does everything.
//  - chunked: for images too large for that; partial sums of chunks, then their totals, then a
//    second pass over the tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <type_traits>

#include "ddpm/kernels/group_norm.h"
#include "device.cuh"
#include "random.cuh"

namespace ddpm::kernels {

// Channels that a thread handles at a time: 16 bytes of bfloat16 or 32 bytes of float32.
constexpr int kVector = 8;

constexpr int kMaxThreads = 512;
constexpr int kUsualThreads = 256;
constexpr int kMinThreads = 64;
constexpr int kWarp = 32;

constexpr int kStages = 4;  // of copies to a slab

// Registers of a thread of the slab kernels, at most, so that several blocks fit on a
// multiprocessor and their loads, arithmetic and stores overlap.
constexpr int kForwardRegisters = 64;
constexpr int kBackwardRegisters = 80;

// --- Division of the work ------------------------------------------------------------------------

struct Geometry {
  int positions, channels, first_channels, groups, group_channels;
};

struct Tiling {
  int columns;          // of a block; a block's width is columns * kVector channels
  int lane_bits;        // log2 of the threads per position: columns rounded up to a power of two
  int rows;             // positions that the threads of a block handle at a time
  int column_blocks;    // across all channels; adjacent blocks read adjacent memory
  int chunks;           // across all positions
  int chunk_positions;  // of all chunks but the last
  int threads;          // lanes() * rows
  int stage_positions;  // of a slab that are copied before work on them begins

  __host__ __device__ int width() const { return columns * kVector; }
  __host__ __device__ int lanes() const { return 1 << lane_bits; }
  // Partial sums that sum_over_rows keeps: one per warp, or per row if a row fills a warp.
  __host__ __device__ int partials() const { return lanes() < kWarp ? threads / kWarp : rows; }
};

inline Geometry geometry_of(const GroupNormShape& s) {
  return {static_cast<int>(s.positions), static_cast<int>(s.channels),
          static_cast<int>(s.first_channels), s.groups, static_cast<int>(s.channels / s.groups)};
}

inline int bytes_of(Type type) { return type == Type::kBFloat16 ? 2 : 4; }

// log2 of the threads of a position for `columns` columns.
inline int lane_bits_for(int columns) {
  int bits = 0;
  while (1 << bits < columns) ++bits;
  return bits;
}

// Slab of `columns` columns. Few threads, with several vectors each, spend less on sums over the
// block, but in small images, and where there are few blocks, more threads are needed to hide
// latencies.
inline Tiling slab_tiling(const Geometry& g, int columns, std::int64_t samples) {
  constexpr int kVectorsPerThread = 8;
  constexpr int kMinRows = 16;
  constexpr int kThreadsOfProcessor = 768;
  Tiling t = {};
  t.columns = columns;
  t.lane_bits = lane_bits_for(columns);
  t.column_blocks = g.channels / t.width();
  t.chunks = 1;
  t.chunk_positions = g.positions;
  const int rows_wanted =
      std::max(kMinRows, (g.positions + kVectorsPerThread - 1) / kVectorsPerThread);
  t.threads = kUsualThreads;
  while (t.threads > kMinThreads && t.threads / 2 >= t.lanes() * rows_wanted) t.threads /= 2;
  const std::int64_t blocks = samples * t.column_blocks;
  const std::int64_t wanted = std::int64_t{kThreadsOfProcessor} * device_limits().processors;
  while (t.threads < kMaxThreads && t.threads < t.lanes() * g.positions &&
         blocks * t.threads < wanted)
    t.threads *= 2;
  t.threads = std::max(t.threads, t.lanes());
  t.rows = t.threads / t.lanes();
  t.stage_positions = (g.positions + kStages * t.rows - 1) / (kStages * t.rows) * t.rows;
  return t;
}

// Floats of shared memory for `count` sums over rows per channel, partial and total.
__host__ __device__ inline int sum_floats(const Tiling& t, int count) {
  return (t.partials() + 1) * count * t.width();
}

// Shared memory of a slab that keeps `tensors` tensors: their elements, and per channel one sum
// more than tensors and two coefficients more, in either direction.
inline std::int64_t slab_bytes(const Geometry& g, const Tiling& t, int tensors, int element_bytes) {
  const std::int64_t elements = std::int64_t{tensors} * g.positions * t.width();
  const std::int64_t floats = sum_floats(t, tensors + 1) + (tensors + 2) * t.width();
  return elements * element_bytes + floats * static_cast<int>(sizeof(float));
}

// Chooses the slab: as narrow as possible, since small blocks leave several per multiprocessor, but
// wide enough for whole memory bursts and for enough work per block. `tensors` is the number of
// tensors kept: 1 forward, 2 backward. Returns false if no slab is good.
inline bool choose_slab(const GroupNormShape& shape, int tensors, Tiling& best) {
  constexpr int kMinRunBytes = 32;   // a sector of DRAM; less wastes bandwidth
  constexpr int kGoodRunBytes = 64;  // a burst of DRAM
  constexpr int kGoodBlockBytes = 16 * 1024;
  constexpr int kLargestBytes = 113 * 1024;  // two blocks on a multiprocessor of 228 KB
  constexpr int kCudaBytes = 1024;           // that CUDA takes of each block's shared memory
  const Geometry g = geometry_of(shape);
  const DeviceLimits& device = device_limits();
  const int element = bytes_of(shape.type);
  const int unit = std::lcm(g.group_channels, kVector) / kVector;  // columns that hold whole groups
  const int all = g.channels / kVector;
  const int largest = std::min(device.shared_per_block, kLargestBytes);
  constexpr int kGoodBlocks = 3;  // per multiprocessor
  const int comfortable = device.shared_per_processor / kGoodBlocks - kCudaBytes;
  int chosen = 0;
  for (int columns = unit; columns <= std::min(all, kUsualThreads); columns += unit) {
    if (all % columns != 0) continue;
    const std::int64_t bytes =
        slab_bytes(g, slab_tiling(g, columns, shape.samples), tensors, element);
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

// How a call of the shape is done.
struct Plan {
  bool slab;
  Tiling tiling;
};

inline Plan make_plan(const GroupNormShape& shape, int tensors) {
  if (!group_norm_supported(shape)) throw std::invalid_argument("unsupported group_norm shape");
  Plan plan = {false, chunked_tiling(geometry_of(shape))};
  if (!shape.force_chunked) plan.slab = choose_slab(shape, tensors, plan.tiling);
  return plan;
}

// --- Vectors -------------------------------------------------------------------------------------

// A vector as it lies in memory. Cheaper to keep in flight than eight floats; whole words, since
// the compiler takes an array of halves apart and puts it together again at every copy.
template <class T>
struct alignas(16) Pack {
  static constexpr int kWords = kVector * static_cast<int>(sizeof(T)) / 16;
  uint4 words[kWords];
};

// `from`: in shared memory.
template <class T>
__device__ Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}

// Without the qualifier the compiler cannot tell that the address is global.
template <class T>
__device__ Pack<T> load_global(const T* from) {
  Pack<T> pack;
#pragma unroll
  for (int i = 0; i < Pack<T>::kWords; ++i)
    pack.words[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i);
  return pack;
}

__device__ inline void unpack_word(std::uint32_t word, float* out, __nv_bfloat16) {
  out[0] = __uint_as_float(word << 16);
  out[1] = __uint_as_float(word & 0xFFFF0000u);
}
__device__ inline void unpack_word(std::uint32_t word, float* out, float) {
  out[0] = __uint_as_float(word);
}

template <class T>
__device__ void unpack(const Pack<T>& pack, float (&out)[kVector]) {
  constexpr int kPerWord = 4 / static_cast<int>(sizeof(T));
#pragma unroll
  for (int i = 0; i < Pack<T>::kWords; ++i) {
    const uint4 w = pack.words[i];
    const std::uint32_t words[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) unpack_word(words[k], out + (4 * i + k) * kPerWord, T{});
  }
}

template <class T>
__device__ void load_vector(const T* from, float (&out)[kVector]) {
  unpack(load_pack(from), out);
}

template <class T>
__device__ void store_vector(T* to, const float (&v)[kVector]) {
  Floats<kVector> values;
#pragma unroll
  for (int j = 0; j < kVector; ++j) values[j] = v[j];
  store(to, values);
}

// --- A thread's place ----------------------------------------------------------------------------

struct Lane {
  int column, row;  // within the block
  int chunk;
  int block_channel;  // first of the block
  int channel;        // first of the thread's eight
  int first, end;     // positions first, first + rows, ... below end; none for an idle thread
  int chunk_begin;    // first position of the block's chunk
  std::int64_t sample;
  bool exists;  // the column is the block's and lies within the tensor

  __device__ Lane(const Geometry& g, const Tiling& t) {
    column = static_cast<int>(threadIdx.x) & (t.lanes() - 1);
    row = static_cast<int>(threadIdx.x) >> t.lane_bits;
    chunk = static_cast<int>(blockIdx.y);
    sample = blockIdx.z;
    block_channel = static_cast<int>(blockIdx.x) * t.width();
    exists = column < t.columns && block_channel + column * kVector < g.channels;
    if (!exists) column = 0;
    channel = block_channel + column * kVector;
    chunk_begin = chunk * t.chunk_positions;
    end = min(chunk_begin + t.chunk_positions, g.positions);
    first = exists ? chunk_begin + row : end;
  }
};

// Grid of the kernels that make Lanes.
inline dim3 grid_of(const Tiling& t, std::int64_t samples) {
  return dim3(static_cast<unsigned>(t.column_blocks), static_cast<unsigned>(t.chunks),
              static_cast<unsigned>(samples));
}

// Grid of the kernels with a block per group.
inline dim3 grid_of_groups(const GroupNormShape& s) {
  return dim3(static_cast<unsigned>(s.groups), 1, static_cast<unsigned>(s.samples));
}

// Calls f(c, channel) for the channels of the block, a thread per channel; c counts from 0.
template <class Function>
__device__ void for_each_channel(const Geometry& g, const Tiling& t, const Lane& lane,
                                 const Function& f) {
  for (int c = static_cast<int>(threadIdx.x); c < t.width(); c += t.threads) {
    if (lane.block_channel + c < g.channels) f(c, lane.block_channel + c);
  }
}

// A thread's column of a feature map: its eight channels at position p lie at data + p * stride.
template <class T>
struct Column {
  T* data;  // null if the tensor is absent
  int stride;

  __device__ T* at(int position) const { return data + position * stride; }  // below 2^31
};

// The column at `channel` of the concatenation of two tensors. A column never straddles their
// border since first_channels is a multiple of 8.
template <class T>
__device__ Column<T> find_column(T* first, T* second, const Geometry& g, std::int64_t sample,
                                 int channel) {
  const bool in_first = channel < g.first_channels;
  T* const base = in_first ? first : second;
  const int stride = in_first ? g.first_channels : g.channels - g.first_channels;
  if (!in_first) channel -= g.first_channels;
  if (base == nullptr) return {nullptr, stride};
  return {base + sample * g.positions * stride + channel, stride};
}

template <class T>
__device__ Column<T> find_column(T* whole, const Geometry& g, std::int64_t sample, int channel) {
  return {whole + sample * g.positions * g.channels + channel, g.channels};
}

template <class T>
__device__ const T* typed(const void* p) {
  return static_cast<const T*>(p);
}

// shift of one channel, 0 if there is none.
template <class T>
__device__ float shift_of(const void* shift, std::int64_t stride, const Lane& lane, int channel) {
  if (shift == nullptr) return 0.0f;
  return to_float(typed<T>(shift)[lane.sample * stride + channel]);
}

// --- Streaming a slab ----------------------------------------------------------------------------

// A thread copies its part of a slab to shared memory in stages, and works on a stage as soon as
// it has arrived. It copies exactly what it uses, so there are no barriers.

// Starts copies with copy(p) for each position p of the lane.
template <class Copy>
__device__ void start_copies(const Lane& lane, const Tiling& t, const Copy& copy) {
  int p = lane.first;
  for (int stage = 0; stage < kStages; ++stage) {
    for (; p < min(lane.end, (stage + 1) * t.stage_positions); p += t.rows) copy(p);
    __pipeline_commit();
  }
}

// Calls use(p) for each position of the lane, in order, when its copy has arrived.
template <class Use>
__device__ void use_copies(const Lane& lane, const Tiling& t, const Use& use) {
  int p = lane.first;
  for (int stage = 0; stage < kStages; ++stage) {
    __pipeline_wait_prior(static_cast<std::size_t>(kStages - 1 - stage));
    asm volatile("" ::: "memory");  // CUDA's wait lets the compiler move loads across it
    for (; p < min(lane.end, (stage + 1) * t.stage_positions); p += t.rows) use(p);
  }
}

// --- Sums over a block ---------------------------------------------------------------------------

// totals[n][c] = sum over the block's rows of value[n], for the block's channels c. All threads
// call it, idle ones with zeros. Fixed order: over the rows of a warp by shuffles, then over the
// warps. `memory`: sum_floats(t, kCount) floats. Returns totals, after a barrier.
template <int kCount>
__device__ float* sum_over_rows(float (&value)[kCount][kVector], const Lane& lane, const Tiling& t,
                                float* memory) {
  for (int distance = kWarp / 2; distance >= t.lanes(); distance /= 2) {
#pragma unroll
    for (int i = 0; i < kCount * kVector; ++i) {
      float& v = value[i / kVector][i % kVector];
      v += __shfl_xor_sync(0xFFFFFFFFu, v, distance);
    }
  }
  const int thread = static_cast<int>(threadIdx.x);
  const int size = kCount * t.width();  // of one partial sum
  const int partials = t.partials();
  float* const totals = memory + partials * size;
  const int group = max(t.lanes(), kWarp);  // threads that share a partial sum
  if (lane.exists && thread % group < t.lanes()) {
    float* const partial = memory + thread / group * size + lane.column * kVector;
#pragma unroll
    for (int n = 0; n < kCount; ++n) store_vector(partial + n * t.width(), value[n]);
  }
  __syncthreads();
  for (int i = thread; i < size; i += t.threads) {
    float sum = memory[i];
    for (int k = 1; k < partials; ++k) sum += memory[k * size + i];
    totals[i] = sum;
  }
  __syncthreads();
  return totals;
}

// Sum of one value per thread of a block of a power of two of threads; every thread gets it.
// `scratch`: one float per thread.
__device__ inline float sum_over_threads(float value, float* scratch) {
  const unsigned thread = threadIdx.x;
  scratch[thread] = value;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (thread < half) scratch[thread] += scratch[thread + half];
    __syncthreads();
  }
  const float sum = scratch[0];
  __syncthreads();  // before the next call writes
  return sum;
}

// --- Activation ----------------------------------------------------------------------------------

// 1 / (1 + exp(-z)). Where the result is rounded to bfloat16 anyway, two instructions of the
// special function unit that are accurate to 2^-22. exp(-z) may overflow: 1 / inf is 0, as it
// should.
template <class T>
__device__ float sigmoid(float z) {
  if constexpr (sizeof(T) == 2) {
    constexpr float kMinusLog2E = -1.4426950408889634f;
    float exponential, result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(exponential) : "f"(z * kMinusLog2E));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(1.0f + exponential));
    return result;
  } else {
    return 1.0f / (1.0f + expf(-z));
  }
}

// The dropout of one lane: masks and scales its vectors.
struct LaneDropout {
  RandomKey key;
  std::uint32_t threshold;
  float scale;
  int channels, channel;

  __device__ LaneDropout(const Dropout& dropout, const Geometry& g, const Lane& lane)
      : key(row_key(dropout.source, lane.sample)),
        threshold(dropout.threshold),
        scale(dropout.scale),
        channels(g.channels),
        channel(lane.channel) {}

  __device__ void apply(int position, float (&v)[kVector]) const {
    const int block = (position * channels + channel) / kVector;
    const uint4 words = random_block(key, static_cast<std::uint32_t>(block));
    const std::uint32_t word[kVector / 2] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const std::uint32_t half = j % 2 == 0 ? word[j / 2] & 0xFFFFu : word[j / 2] >> 16;
      v[j] = half >= threshold ? v[j] * scale : 0.0f;
    }
  }
};

// Takes the place of LaneDropout in kernels without dropout.
struct NoDropout {
  __device__ NoDropout(const Dropout&, const Geometry&, const Lane&) {}
  __device__ void apply(int, float (&)[kVector]) const {}
};

template <bool kDropout>
using DropoutFor = std::conditional_t<kDropout, LaneDropout, NoDropout>;

// Calls f with a value of each constant type: element type, silu, dropout.
template <class Function>
void dispatch(Type type, bool silu, bool dropout, const Function& f) {
  const auto with_type = [&](auto element) {
    if (silu && dropout) return f(element, std::true_type{}, std::true_type{});
    if (silu) return f(element, std::true_type{}, std::false_type{});
    if (dropout) return f(element, std::false_type{}, std::true_type{});
    return f(element, std::false_type{}, std::false_type{});
  };
  if (type == Type::kBFloat16) return with_type(__nv_bfloat16{});
  return with_type(float{});
}

}  // namespace ddpm::kernels
