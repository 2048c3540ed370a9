// Code that the forward and backward kernels of group normalization share: the places of a thread's
// data, sums over a block and dropout.
#pragma once

#include <cstdint>
#include <type_traits>

#include "device.cuh"
#include "group_norm_tiling.cuh"
#include "random.cuh"

namespace ddpm::kernels {

// The largest number of registers of a thread in the slab kernels. With these limits several blocks
// fit on a multiprocessor, and their loads, arithmetic and stores overlap.
constexpr int kForwardRegisters = 64;
constexpr int kBackwardRegisters = 80;

// --- Vectors -------------------------------------------------------------------------------------

// A vector as it is in memory, which for bfloat16 takes fewer registers than eight floats. It is
// made of whole words, because the compiler would split and join an array of halves at every copy.
template <class T>
struct alignas(16) Pack {
  static constexpr int kWords = kVector * static_cast<int>(sizeof(T)) / 16;
  uint4 words[kWords];
};

// `from` is in shared memory.
template <class T>
__device__ Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}

// __ldcg tells the compiler that the address is in global memory, which it cannot know otherwise.
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
  int block_channel;  // first channel of the block
  int channel;        // first of the thread's eight channels
  int first, end;     // positions first, first + rows, ... < end; none if idle
  int chunk_begin;    // first position of the block's chunk
  std::int64_t sample;
  bool exists;  // the column belongs to the block and is inside the tensor; else the thread is idle

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

// The grid of the kernels that use Lane.
inline dim3 grid_of(const Tiling& t, std::int64_t samples) {
  return dim3(static_cast<unsigned>(t.column_blocks), static_cast<unsigned>(t.chunks),
              static_cast<unsigned>(samples));
}

// The grid of the kernels with one block for each group.
inline dim3 grid_of_groups(const GroupNormShape& s) {
  return dim3(static_cast<unsigned>(s.groups), 1, static_cast<unsigned>(s.samples));
}

// Calls f(c, channel) for each channel of the block, in one thread for each channel; c counts from
// 0.
template <class Function>
__device__ void for_each_channel(const Geometry& g, const Tiling& t, const Lane& lane,
                                 const Function& f) {
  for (int c = static_cast<int>(threadIdx.x); c < t.width(); c += t.threads) {
    if (lane.block_channel + c < g.channels) f(c, lane.block_channel + c);
  }
}

// A thread's column of a feature map: its eight channels at position p are at data + p * stride.
template <class T>
struct Column {
  T* data;  // null if the tensor is absent
  int stride;

  __device__ T* at(int position) const { return data + position * stride; }  // below 2^31
};

// The column at `channel` of the concatenation of two tensors. A column is always in one tensor,
// because first_channels is a multiple of 8.
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

// The shift of one channel; 0 if there is no shift.
template <class T>
__device__ float shift_of(const void* shift, std::int64_t stride, const Lane& lane, int channel) {
  if (shift == nullptr) return 0.0f;
  return to_float(typed<T>(shift)[lane.sample * stride + channel]);
}

// --- Streaming a slab ----------------------------------------------------------------------------

// A thread copies its part of a slab to shared memory in stages, and uses each stage as soon as it
// has arrived. It uses only what it copied itself, so no barriers are needed.

// Starts copies with copy(p) for each position p of the lane.
template <class Copy>
__device__ void start_copies(const Lane& lane, const Tiling& t, const Copy& copy) {
  int p = lane.first;
  for (int stage = 0; stage < kStages; ++stage) {
    const int end = min(lane.end, lane.chunk_begin + (stage + 1) * t.stage_positions);
    for (; p < end; p += t.rows) copy(p);
    __pipeline_commit();
  }
}

// Calls use(p) for each position of the lane, in order, when its copy has arrived.
template <class Use>
__device__ void use_copies(const Lane& lane, const Tiling& t, const Use& use) {
  int p = lane.first;
  for (int stage = 0; stage < kStages; ++stage) {
    __pipeline_wait_prior(static_cast<std::size_t>(kStages - 1 - stage));
    asm volatile("" ::: "memory");  // else the compiler may move loads before the wait
    const int end = min(lane.end, lane.chunk_begin + (stage + 1) * t.stage_positions);
    for (; p < end; p += t.rows) use(p);
  }
}

// --- Sums over a block ---------------------------------------------------------------------------

// totals[n][c] = sum over the block's rows of value[n], for the block's channels c. All threads
// must call it, idle ones with zeros. The order is fixed: first the rows of a warp by shuffles,
// then the warps. `memory` has sum_floats(t, kCount) floats. Ends with a barrier and returns
// totals.
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
  const int size = kCount * t.width();  // floats of one partial sum
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

// The sum of one value for each thread of a block; every thread gets it. The number of threads is a
// power of two. `scratch` has one float for each thread.
__device__ inline float sum_over_threads(float value, float* scratch) {
  const unsigned thread = threadIdx.x;
  scratch[thread] = value;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (thread < half) scratch[thread] += scratch[thread + half];
    __syncthreads();
  }
  const float sum = scratch[0];
  __syncthreads();  // the next call overwrites scratch
  return sum;
}

// --- Activation ----------------------------------------------------------------------------------

// 1 / (1 + exp(-z)). If the result is rounded to bfloat16 anyway, it uses two instructions of the
// special function unit, which are accurate to 2^-22. exp(-z) may overflow to infinity; the result
// is then 0, which is correct.
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

// The dropout of one lane, which masks and scales its vectors.
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
    const uint4 words = random_words(key, static_cast<std::uint32_t>(block));
    const std::uint32_t word[kVector / 2] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const std::uint32_t half = j % 2 == 0 ? word[j / 2] & 0xFFFFu : word[j / 2] >> 16;
      v[j] = half >= threshold ? v[j] * scale : 0.0f;
    }
  }
};

// Replaces LaneDropout in kernels without dropout.
struct NoDropout {
  __device__ NoDropout(const Dropout&, const Geometry&, const Lane&) {}
  __device__ void apply(int, float (&)[kVector]) const {}
};

template <bool kDropout>
using DropoutFor = std::conditional_t<kDropout, LaneDropout, NoDropout>;

// Calls f(T{}, silu, dropout) with the element type T and both flags as compile-time constants.
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
