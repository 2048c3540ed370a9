// Convolutions computed as matrix products, without writing the input matrix to memory. Rows are
// output pixels, columns are output channels, and the sum is over the taps of the filter and the
// channels of the input. The copy engine loads the operands: the pixels of a tile, moved by a tap,
// are a box of the tensor, and pixels outside of the image are read as 0.
//
// A block computes one tile of outputs. It has one or two groups of four warps that multiply, a
// warp that loads operands, and a warp that loads biases and stores the result. If there are few
// tiles for the multiprocessors, a cluster of blocks shares the sum of one tile.
#pragma once

#include "device.cuh"
#include "hopper.cuh"

namespace ddpm::kernels::hopper {

using Element = __nv_bfloat16;

inline constexpr int kDepth = 64;             // channels of a step: 128 bytes, as the swizzle
inline constexpr int kRowBytes = kDepth * 2;  // bytes of a tile's row in shared memory
inline constexpr int kTileAlignment = 1024;
inline constexpr int kGroup = 128;  // threads that multiply together
inline constexpr int kMostStages = 8;
inline constexpr int kPhases = 4;  // phases of doubling, see kernels/resample.h

// The part of the result that a block computes.
template <int kPixels_, int kColumns_>
struct Tile {
  static constexpr int kPixels = kPixels_, kColumns = kColumns_;
  static constexpr int kGroups = kPixels / 64;           // multiplying groups, 64 pixels each
  static constexpr int kSums = kColumns / 2;             // sums of a thread
  static constexpr int kMultiplying = kGroups * kGroup;  // their threads; two warps follow
  static constexpr int kLoadWarp = kMultiplying / 32, kStoreWarp = kLoadWarp + 1;
  static constexpr int kThreads = kMultiplying + 2 * 32;
  static constexpr int kPixelBytes = kPixels * kRowBytes;  // bytes of pixels in one step
  static constexpr int kStepBytes = kPixelBytes + kColumns * kRowBytes;
  static constexpr int kOutputBytes = kPixels * kColumns * 2;
  static_assert(kOutputBytes <= kStepBytes, "outputs must fit in the memory of a step");
};

struct Barriers {
  Barrier loaded[kMostStages];  // the operands of a step are in shared memory
  Barrier free[kMostStages];    // they have been used, so the stage is free
  Barrier added;                // residual and bias are there, and the memory of outputs is free
  Barrier done;                 // the outputs are in shared memory
};

// The arguments of a launch.
struct Task {
  CUtensorMap x, weight, residual, shortcut, skip, shortcut_weight;
  CUtensorMap y[kPhases];
  const Element* bias;
  const Element* shortcut_bias;
  int taps, stride, first, direction;  // input = output * stride + direction * (tap + first)
  int chunks, shortcut_chunks;         // chunks of kDepth channels
  int shortcut_channels;               // the weights of the skip begin at this channel
  int steps;
  int out_channels;
  int column_tiles, phases, tiles_across, tiles_down;
  int tile_width, tile_height, tile_images;  // in pixels
  int stages;
  int parts;  // blocks of a cluster, which share the sum of one tile
  bool has_residual;
};

// The tile that a block works on.
struct Place {
  int column, phase;        // first output channel; phase of doubling
  int across, down, image;  // first pixel

  __device__ Place(const Task& t, int tile_columns) {
    int tile = static_cast<int>(blockIdx.x) / t.parts;
    column = tile % t.column_tiles * tile_columns;
    tile /= t.column_tiles;
    phase = tile % t.phases;
    tile /= t.phases;
    across = tile % t.tiles_across * t.tile_width;
    tile /= t.tiles_across;
    down = tile % t.tiles_down * t.tile_height;
    image = tile / t.tiles_down * t.tile_images;
  }
};

// This block's part of the sum, steps [begin, end). There is at least one, because a sum has no
// fewer steps than parts.
struct Part {
  int begin, end, rank;
  __device__ explicit Part(const Task& t) : rank(static_cast<int>(blockIdx.x) % t.parts) {
    begin = t.steps * rank / t.parts;
    end = t.steps * (rank + 1) / t.parts;
  }
};

// A place in the ring of stages, and the parity of the number of rounds so far.
struct Ring {
  int stage = 0;
  unsigned parity = 0;
  __device__ void advance(int stages) {
    if (++stage < stages) return;
    stage = 0;
    parity ^= 1;
  }
};

// Goes through the steps: for each tap the chunks of channels, then the chunks of the shortcut. It
// counts instead of dividing, so that the other threads do not wait for the loading thread.
class Steps {
 public:
  __device__ Steps(const Task& t, const Place& place, int step) : task_(t), place_(place) {
    const int convolution_steps = t.taps * t.taps * t.chunks;
    if (step < convolution_steps) {
      tap_ = step / t.chunks;
      chunk_ = step % t.chunks;
    } else {
      tap_ = t.taps * t.taps;
      chunk_ = step - convolution_steps;
    }
    tap_down_ = tap_ / t.taps;
    tap_across_ = tap_ % t.taps;
  }

  template <class Tile, bool kInput>
  __device__ void load(unsigned char* to, Barrier& loaded) const {
    const Task& t = task_;
    const int row = place_.phase * t.out_channels + place_.column;  // row of the weights
    unsigned char* const weights = to + Tile::kPixelBytes;
    const int channel = chunk_ * kDepth;
    loaded.arrive_expecting(Tile::kStepBytes);
    if (tap_down_ < t.taps) {
      const int down = t.direction * (tap_down_ + t.first + place_.phase / 2);
      const int across = t.direction * (tap_across_ + t.first + place_.phase % 2);
      load_tile(
          to, t.x,
          {channel, place_.across * t.stride + across, place_.down * t.stride + down, place_.image},
          loaded);
      if constexpr (!kInput) {
        load_tile(weights, t.weight, {channel, tap_, row, 0}, loaded);
      } else {
        for (int block = 0; block < Tile::kColumns; block += kDepth)
          load_tile(weights + block * kRowBytes, t.weight,
                    {place_.column + block, tap_, channel, 0}, loaded);
      }
      return;
    }
    const bool skip = chunk_ >= t.shortcut_chunks;
    const int at = skip ? channel - t.shortcut_chunks * kDepth : channel;
    load_tile(to, skip ? t.skip : t.shortcut, {at, place_.across, place_.down, place_.image},
              loaded);
    load_tile(weights, t.shortcut_weight, {skip ? t.shortcut_channels + at : at, 0, row, 0},
              loaded);
  }

  __device__ void advance() {
    if (++chunk_ < task_.chunks || tap_down_ == task_.taps) return;
    chunk_ = 0;
    ++tap_;
    if (++tap_across_ < task_.taps) return;
    tap_across_ = 0;
    ++tap_down_;
  }

 private:
  const Task& task_;
  const Place& place_;
  int tap_, tap_down_, tap_across_, chunk_;
};

// Visits the residual or the result of a tile in blocks of kDepth channels.
template <class Tile, class Visit>
__device__ void for_each_block(const Place& place, const Visit& visit) {
  for (int block = 0; block < Tile::kColumns / kDepth; ++block)
    visit(block * Tile::kPixelBytes,
          TileStart{place.column + block * kDepth, place.across, place.down, place.image});
}

template <class Tile>
using Sums = float[Tile::kSums];

// Computes the sums over the block's steps.
template <class Tile, bool kInput>
__device__ void sum_steps(const Task& t, const Part& part, const unsigned char* stages,
                          Barriers& barriers, Sums<Tile>& sums) {
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  const bool releases = threadIdx.x % 32 == 0;
#pragma unroll
  for (int i = 0; i < Tile::kSums; ++i) sums[i] = 0.0f;
  Ring ring;
  int previous = -1;
  for (int step = part.begin; step < part.end; ++step) {
    barriers.loaded[ring.stage].wait(ring.parity);
    const unsigned char* const operands = stages + ring.stage * Tile::kStepBytes;
    const std::uint64_t a = describe_tile(operands + group * 64 * kRowBytes);
    const std::uint64_t b =
        describe_tile(operands + Tile::kPixelBytes, kInput ? kDepth * kRowBytes : 16);
    // The distance of 16 channels in units of 16 bytes: 32 bytes along a row, or 16 rows.
    constexpr unsigned kNextA = 32 >> 4, kNextB = kInput ? 16 * kRowBytes >> 4 : kNextA;
    begin_products();
#pragma unroll
    for (unsigned k = 0; k < kDepth / 16; ++k)
      multiply<kInput>(sums, a + k * kNextA, b + k * kNextB);
    commit_products();
    wait_for_products<1>();
    if (previous >= 0 && releases) barriers.free[previous].arrive();
    previous = ring.stage;
    ring.advance(t.stages);
  }
  wait_for_products<0>();
  if (releases) barriers.free[previous].arrive();
}

// Adds the sums of all blocks of a cluster in its first block.
template <class Tile>
__device__ void join_cluster(const Task& t, const Part& part, float* partial, Sums<Tile>& sums) {
  constexpr int kStride = Tile::kMultiplying;
  float* const mine = partial + threadIdx.x;
  if (part.rank != 0) {
#pragma unroll
    for (int i = 0; i < Tile::kSums; ++i) mine[i * kStride] = sums[i];
  }
  synchronize_cluster();
  if (part.rank == 0) {
    for (int other = 1; other < t.parts; ++other) {
      const std::uint32_t theirs = address_in_block(mine, other);
#pragma unroll
      for (int i = 0; i < Tile::kSums; ++i)
        sums[i] += load_from_block(theirs + i * kStride * sizeof(float));
    }
  }
  synchronize_cluster();  // no block ends before the first has read its sums
}

// One warp writes the sums of both biases for the tile's columns.
template <class Tile>
__device__ void load_biases(const Task& t, const Place& place, float* to) {
  for (int i = static_cast<int>(threadIdx.x) % 32; i < Tile::kColumns; i += 32) {
    const int column = place.column + i;
    float sum = 0.0f;
    if (t.bias != nullptr && column < t.out_channels) sum += to_float(t.bias[column]);
    if (t.shortcut_bias != nullptr && column < t.out_channels)
      sum += to_float(t.shortcut_bias[column]);
    to[i] = sum;
  }
}

// Adds biases and residual to the sums, and overwrites the residual with the result.
template <class Tile>
__device__ void write_outputs(bool has_residual, const Sums<Tile>& sums, const float* biases,
                              unsigned char* output) {
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
#pragma unroll
  for (int i = 0; i < Tile::kColumns / 8; ++i) {
    const float2 bias = *reinterpret_cast<const float2*>(biases + 8 * i + lane % 4 * 2);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = thread / 32 * 16 + lane / 4 + half * 8;
      auto* const pair =
          reinterpret_cast<__nv_bfloat162*>(output + i / 8 * Tile::kPixelBytes + row * kRowBytes +
                                            ((i % 8 ^ row % 8) << 4) + lane % 4 * 4);
      float2 v = {sums[4 * i + 2 * half] + bias.x, sums[4 * i + 2 * half + 1] + bias.y};
      if (has_residual) {
        const float2 residual = __bfloat1622float2(*pair);
        v.x += residual.x;
        v.y += residual.y;
      }
      *pair = __float22bfloat162_rn(v);
    }
  }
}

// A block's shared memory: stages, partial sums (only in clusters), biases, barriers.
template <class Tile>
struct Memory {
  unsigned char* stages;
  float *partial, *biases;
  Barriers* barriers;

  __device__ explicit Memory(const Task& t) {
    const auto begin = reinterpret_cast<std::uintptr_t>(dynamic_shared());
    stages = dynamic_shared() + (kTileAlignment - begin % kTileAlignment) % kTileAlignment;
    partial = reinterpret_cast<float*>(stages + t.stages * Tile::kStepBytes);
    biases = partial + (t.parts > 1 ? Tile::kPixels * Tile::kColumns : 0);
    barriers = reinterpret_cast<Barriers*>(biases + Tile::kColumns);
  }
  static int bytes(int stages, int parts) {
    const int floats = Tile::kColumns + (parts > 1 ? Tile::kPixels * Tile::kColumns : 0);
    return kTileAlignment + stages * Tile::kStepBytes + floats * static_cast<int>(sizeof(float)) +
           static_cast<int>(sizeof(Barriers));
  }
};

template <class Tile>
__device__ void initialize(const Task& t, Barriers& barriers) {
  for (int i = 0; i < t.stages; ++i) {
    barriers.loaded[i].initialize(1);
    barriers.free[i].initialize(Tile::kMultiplying / 32);
  }
  barriers.added.initialize(1 + 32);  // the loading thread and the warp of biases
  barriers.done.initialize(Tile::kMultiplying);
  publish_barriers();
}

// Loads the operands, then the residual.
template <class Tile, bool kInput>
__device__ void load_all(const Task& t, const Place& place, const Part& part,
                         const Memory<Tile>& memory) {
  Barriers& barriers = *memory.barriers;
  Ring ring;
  Steps steps(t, place, part.begin);
  for (int step = part.begin; step < part.end; ++step, steps.advance()) {
    barriers.free[ring.stage].wait(ring.parity ^ 1);
    steps.template load<Tile, kInput>(memory.stages + ring.stage * Tile::kStepBytes,
                                      barriers.loaded[ring.stage]);
    ring.advance(t.stages);
  }
  if (part.rank != 0) return;
  barriers.free[ring.stage].wait(ring.parity ^ 1);
  if (!t.has_residual) return barriers.added.arrive();
  barriers.added.arrive_expecting(Tile::kOutputBytes);
  for_each_block<Tile>(place, [&](int offset, const TileStart& at) {
    load_tile(memory.stages + ring.stage * Tile::kStepBytes + offset, t.residual, at,
              barriers.added);
  });
}

template <class Tile, bool kInput>
__global__ void __launch_bounds__(Tile::kThreads, 2)
    convolve_tiles(const __grid_constant__ Task t) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  const Memory<Tile> memory(t);
  Barriers& barriers = *memory.barriers;
  if (threadIdx.x == 0) initialize<Tile>(t, barriers);
  __syncthreads();
  wait_for_inputs();

  const Place place(t, Tile::kColumns);
  const Part part(t);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const bool leads = threadIdx.x % 32 == 0;
  unsigned char* const output =
      memory.stages + (part.end - part.begin) % t.stages * Tile::kStepBytes;
  if (warp < Tile::kLoadWarp) {
    Sums<Tile> sums;
    sum_steps<Tile, kInput>(t, part, memory.stages, barriers, sums);
    if (t.parts > 1) join_cluster<Tile>(t, part, memory.partial, sums);
    if (part.rank != 0) return;
    barriers.added.wait(0);
    write_outputs<Tile>(t.has_residual, sums, memory.biases, output);
    write_for_copies();
    barriers.done.arrive();
    return;
  }
  const bool stores = warp == Tile::kStoreWarp && part.rank == 0;
  if (warp == Tile::kLoadWarp && leads) load_all<Tile, kInput>(t, place, part, memory);
  if (stores) {
    load_biases<Tile>(t, place, memory.biases);
    barriers.added.arrive();
  }
  __syncwarp();
  if (t.parts > 1) {  // the same barriers as in join_cluster
    synchronize_cluster();
    synchronize_cluster();
  }
  if (stores && leads) {
    barriers.done.wait(0);
    for_each_block<Tile>(place, [&](int offset, const TileStart& at) {
      store_tile(t.y[place.phase], at, output + offset);
    });
    commit_stores();
    wait_for_stores_to_read();
  }
#endif
}

}  // namespace ddpm::kernels::hopper
