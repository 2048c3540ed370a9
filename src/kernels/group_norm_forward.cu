#include <limits>

#include "group_norm_common.cuh"

namespace ddpm::kernels {
namespace {

// The arguments of the kernels. In the chunked method t.workspace holds partial moments, [samples,
// chunks, 2, channels]: the mean and the sum of squared differences from it.
struct Forward {
  Geometry geometry;
  Tiling tiling;
  GroupNormForward t;
};

// The numbers of its channels that a block keeps in shared memory, as rows of width floats. Later
// scale and bias of z = x * scale + bias overwrite gamma and beta.
enum Row { kShift, kGamma, kBeta, kRows, kScale = kGamma, kBias = kBeta };

// Fills the block's rows; ends without a barrier. It is called before the copies of a slab start,
// because these loads would otherwise wait for the copies.
template <class T>
__device__ void load_parameters(const Forward& a, const Lane& lane, float* rows) {
  const int width = a.tiling.width();
  for_each_channel(a.geometry, a.tiling, lane, [&](int c, int channel) {
    rows[kShift * width + c] = shift_of<T>(a.t.shift, a.t.shift_stride, lane, channel);
    rows[kGamma * width + c] = to_float(typed<T>(a.t.gamma)[channel]);
    rows[kBeta * width + c] = to_float(typed<T>(a.t.beta)[channel]);
  });
}

__device__ void make_affine(float mean, float rstd, int c, int width, float* rows) {
  const float scale = rstd * rows[kGamma * width + c];
  rows[kScale * width + c] = scale;
  rows[kBias * width + c] = fmaf(rows[kShift * width + c] - mean, scale, rows[kBeta * width + c]);
}

// The scale and bias of the lane's channels.
struct Affine {
  float scale[kVector], bias[kVector];

  __device__ Affine(const float* rows, const Lane& lane, int width) {
    load_vector(rows + kScale * width + lane.column * kVector, scale);
    load_vector(rows + kBias * width + lane.column * kVector, bias);
  }
};

// Writes y of one lane from its x, which x_at(position) reads.
template <class T, bool kSilu, bool kDropout, class Read>
__device__ void write_output(const Forward& a, const Lane& lane, const Affine& affine,
                             const Read& x_at) {
  const Column<T> y = find_column(static_cast<T*>(a.t.y), a.geometry, lane.sample, lane.channel);
  const DropoutFor<kDropout> dropout(a.t.dropout, a.geometry, lane);
#pragma unroll 2
  for (int p = lane.first; p < lane.end; p += a.tiling.rows) {
    float v[kVector];
    unpack(x_at(p), v);
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      v[j] = fmaf(v[j], affine.scale[j], affine.bias[j]);
      if constexpr (kSilu) v[j] *= sigmoid<T>(v[j]);
    }
    dropout.apply(p, v);
    store_vector(y.at(p), v);
  }
}

// --- Moments -------------------------------------------------------------------------------------

// Sums of a lane for the moments of its channels, computed in one pass. They are sums of
// differences from a pivot, the value at the chunk's first position. It is close enough to the mean
// to keep the subtraction in channel_moments accurate.
struct LaneMoments {
  float pivot[kVector];
  float sums[2][kVector] = {};  // sums of differences and of their squares

  __device__ void add(const float (&x)[kVector]) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float difference = x[j] - pivot[j];
      sums[0][j] += difference;
      sums[1][j] = fmaf(difference, difference, sums[1][j]);
    }
  }
};

struct Moments {
  float mean, square;  // square: sum of squared differences from the mean
};

// Moments of channel c over the block's chunk of x, from the sums over the block, [2, width].
__device__ Moments channel_moments(const Lane& lane, int c, int width, float pivot,
                                   const float* totals) {
  const float count = static_cast<float>(lane.end - lane.chunk_begin);
  const float difference = totals[c] / count;
  return {pivot + difference, totals[width + c] - count * difference * difference};
}

// --- Slab ----------------------------------------------------------------------------------------

// The moments of the slab's channels over the whole image, [2, width], from those of the chunks that
// the blocks of a cluster hold at the same place. Every block adds them in the same order.
__device__ float* join_chunks(const Forward& a, const Lane& lane, const float* moments,
                              float* joined) {
  const int width = a.tiling.width();
  const auto count_of = [&](int chunk) {
    const int begin = chunk * a.tiling.chunk_positions;
    return static_cast<float>(min(a.tiling.chunk_positions, a.geometry.positions - begin));
  };
  synchronize_cluster();
  for_each_channel(a.geometry, a.tiling, lane, [&](int c, int) {
    const auto read = [&](int row, int chunk) {
      return load_from_block(
          address_in_block(moments + row * width + c, static_cast<unsigned>(chunk)));
    };
    float sum = 0.0f, square = 0.0f;
    for (int i = 0; i < a.tiling.chunks; ++i) sum = fmaf(count_of(i), read(0, i), sum);
    const float mean = sum / static_cast<float>(a.geometry.positions);
    for (int i = 0; i < a.tiling.chunks; ++i) {
      const float difference = read(0, i) - mean;
      square += fmaf(count_of(i) * difference, difference, read(1, i));
    }
    joined[c] = mean;
    joined[width + c] = square;
  });
  __syncthreads();
  arrive_at_cluster();  // slab_forward waits: no block ends before all have read its moments
  return joined;
}

// Moments of the group of channel c of the slab, from those of its channels, [2, width].
__device__ Moments group_moments(const Forward& a, int c, const float* moments) {
  const int group_channels = a.geometry.group_channels;
  const float* const means = moments + c / group_channels * group_channels;
  const float* const squares = means + a.tiling.width();
  float mean = 0.0f, between = 0.0f, within = 0.0f;
  for (int i = 0; i < group_channels; ++i) mean += means[i];
  mean /= static_cast<float>(group_channels);
  for (int i = 0; i < group_channels; ++i) {
    between = fmaf(means[i] - mean, means[i] - mean, between);
    within += squares[i];
  }
  return {mean, fmaf(static_cast<float>(a.geometry.positions), between, within)};
}

// Computes mean and rstd in global memory and the coefficients in `rows` from the sums of the
// channels over the block's chunk, `totals` [2, width], which are overwritten, and so is `joined`,
// which is as large.
template <class T>
__device__ void normalize_slab(const Forward& a, const Lane& lane, const T* slab, float* totals,
                               float* joined, float* rows) {
  const Geometry& g = a.geometry;
  const int width = a.tiling.width();
  for_each_channel(g, a.tiling, lane, [&](int c, int) {
    const float pivot = to_float(slab[c]);
    const Moments moments = channel_moments(lane, c, width, pivot, totals);
    totals[c] = moments.mean + rows[kShift * width + c];
    totals[width + c] = moments.square;
  });
  const float* image = totals;
  if (a.tiling.chunks > 1) image = join_chunks(a, lane, totals, joined);
  __syncthreads();
  const float count = static_cast<float>(g.positions) * static_cast<float>(g.group_channels);
  for_each_channel(g, a.tiling, lane, [&](int c, int channel) {
    const Moments moments = group_moments(a, c, image);
    const float rstd = 1.0f / sqrtf(moments.square / count + a.t.epsilon);
    make_affine(moments.mean, rstd, c, width, rows);
    if (channel % g.group_channels != 0 || lane.chunk != 0) return;
    const std::int64_t group = lane.sample * g.groups + channel / g.group_channels;
    a.t.mean[group] = moments.mean;
    a.t.rstd[group] = rstd;
  });
  __syncthreads();
}

template <class T, bool kSilu, bool kDropout>
__global__ void __maxnreg__(kForwardRegisters) slab_forward(Forward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Tiling& t = a.tiling;
  const Lane lane(g, t);
  const int width = t.width();
  T* const slab = reinterpret_cast<T*>(dynamic_shared());
  T* const tile = slab + lane.column * kVector;  // the lane's column
  const auto place = [&](int p) { return tile + (p - lane.chunk_begin) * width; };
  float* const sums = reinterpret_cast<float*>(slab + t.chunk_positions * width);
  float* const rows = sums + sum_floats(t, 2);

  const Column<const T> x =
      find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), g, lane.sample, lane.channel);
  load_parameters<T>(a, lane, rows);
  const Pack<T> first = load_global(x.at(lane.chunk_begin));
  start_copies(lane, t, [&](int p) { copy_async<kVector>(place(p), x.at(p)); });
  LaneMoments moments;
  unpack(first, moments.pivot);
  use_copies(lane, t, [&](int p) {
    float v[kVector];
    load_vector(place(p), v);
    moments.add(v);
  });
  // Once they are added up, the partial sums leave room for the joined moments.
  normalize_slab(a, lane, slab, sum_over_rows(moments.sums, lane, t, sums), sums, rows);
  write_output<T, kSilu, kDropout>(a, lane, Affine(rows, lane, width),
                                   [&](int p) { return load_pack<T>(place(p)); });
  if (t.chunks > 1) wait_for_cluster();
}

// --- Chunked -------------------------------------------------------------------------------------

// Moments of each channel over one chunk.
template <class T>
__global__ void __launch_bounds__(kUsualThreads) chunk_moments(Forward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Tiling& t = a.tiling;
  const Lane lane(g, t);
  const Column<const T> x =
      find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), g, lane.sample, lane.channel);
  LaneMoments moments;
  load_vector(x.at(lane.chunk_begin), moments.pivot);
#pragma unroll 4
  for (int p = lane.first; p < lane.end; p += t.rows) {
    float v[kVector];
    load_vector(x.at(p), v);
    moments.add(v);
  }
  const float* const totals =
      sum_over_rows(moments.sums, lane, t, reinterpret_cast<float*>(dynamic_shared()));
  float* const out = a.t.workspace + (lane.sample * t.chunks + lane.chunk) * 2 * g.channels;
  for_each_channel(g, t, lane, [&](int c, int channel) {
    const Column<const T> column =
        find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), g, lane.sample, channel);
    const float pivot = to_float(*column.at(lane.chunk_begin));
    const Moments channel_sums = channel_moments(lane, c, t.width(), pivot, totals);
    out[channel] = channel_sums.mean + shift_of<T>(a.t.shift, a.t.shift_stride, lane, channel);
    out[g.channels + channel] = channel_sums.square;
  });
}

// Joins the moments of a group's channels and chunks. There is one block for each (sample, group).
__global__ void __launch_bounds__(kUsualThreads) join_moments(Forward a) {
  wait_for_inputs();
  float* const scratch = reinterpret_cast<float*>(dynamic_shared());
  const Geometry& g = a.geometry;
  const std::int64_t sample = blockIdx.z;
  const int first_channel = static_cast<int>(blockIdx.x) * g.group_channels;
  const float* const moments =
      a.t.workspace + sample * a.tiling.chunks * 2 * g.channels + first_channel;
  const int parts = a.tiling.chunks * g.group_channels;
  const auto for_each_part = [&](auto f) {
    for (int i = static_cast<int>(threadIdx.x); i < parts; i += static_cast<int>(blockDim.x)) {
      const int chunk = i / g.group_channels;
      const int begin = chunk * a.tiling.chunk_positions;
      const int count = min(a.tiling.chunk_positions, g.positions - begin);
      const float* const part =
          moments + std::int64_t{chunk} * 2 * g.channels + i % g.group_channels;
      f(static_cast<float>(count), part[0], part[g.channels]);
    }
  };

  const float total = static_cast<float>(g.positions) * g.group_channels;
  float sum = 0.0f;
  for_each_part([&](float count, float mean, float) { sum = fmaf(count, mean, sum); });
  const float mean = sum_over_threads(sum, scratch) / total;
  float square = 0.0f;
  for_each_part([&](float count, float part_mean, float part_square) {
    const float difference = part_mean - mean;
    square += fmaf(count * difference, difference, part_square);
  });
  const float variance = sum_over_threads(square, scratch) / total;
  if (threadIdx.x == 0) {
    a.t.mean[sample * g.groups + blockIdx.x] = mean;
    a.t.rstd[sample * g.groups + blockIdx.x] = 1.0f / sqrtf(variance + a.t.epsilon);
  }
}

template <class T, bool kSilu, bool kDropout>
__global__ void __launch_bounds__(kUsualThreads) chunk_forward(Forward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Tiling& t = a.tiling;
  const Lane lane(g, t);
  float* const rows = reinterpret_cast<float*>(dynamic_shared());
  load_parameters<T>(a, lane, rows);
  for_each_channel(g, t, lane, [&](int c, int channel) {
    const std::int64_t group = lane.sample * g.groups + channel / g.group_channels;
    make_affine(a.t.mean[group], a.t.rstd[group], c, t.width(), rows);
  });
  __syncthreads();
  const Column<const T> x =
      find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), g, lane.sample, lane.channel);
  write_output<T, kSilu, kDropout>(a, lane, Affine(rows, lane, t.width()),
                                   [x](int p) { return load_global(x.at(p)); });
}

}  // namespace

bool group_norm_supported(const GroupNormShape& s) {
  constexpr std::int64_t kLimit = std::numeric_limits<int>::max();
  if (s.samples < 1 || s.positions < 1 || s.channels < 1 || s.groups < 1) return false;
  if (s.first_channels < 1 || s.first_channels > s.channels) return false;
  if (s.channels % kVector != 0 || s.first_channels % kVector != 0) return false;
  if (s.channels % s.groups != 0) return false;
  // In loops over positions the last index plus one step must not overflow.
  if (s.channels > kLimit / 4 || s.positions > kLimit / 4 / s.channels) return false;
  // Samples and chunks are the z and y dimensions of grids.
  constexpr std::int64_t kGridLimit = 65535;
  return s.samples <= kGridLimit && chunked_tiling(geometry_of(s)).chunks <= kGridLimit;
}

std::int64_t group_norm_forward_workspace(const GroupNormShape& shape) {
  const Plan plan = make_plan(shape, 1);
  return plan.slab ? 0 : shape.samples * plan.tiling.chunks * 2 * shape.channels;
}

void group_norm_forward(const GroupNormShape& shape, const GroupNormForward& tensors,
                        Stream stream) {
  const Plan plan = make_plan(shape, 1);
  const Tiling& t = plan.tiling;
  const Forward a = {geometry_of(shape), t, tensors};
  const dim3 blocks = grid_of(t, shape.samples);
  constexpr int kFloat = sizeof(float);
  const auto run = [&](auto element, auto silu, auto dropout) {
    using T = decltype(element);
    if (plan.slab) {
      static_assert(kRows == 1 + 2, "slab_bytes assumes this number");
      const int bytes = static_cast<int>(slab_bytes(t, 1, sizeof(T)));
      const dim3 cluster(1, static_cast<unsigned>(t.chunks), 1);
      launch<slab_forward<T, silu.value, dropout.value>>(
          "group_norm slab_forward", {blocks, t.threads, bytes, stream, cluster}, a);
      return;
    }
    const int bytes = sum_floats(t, 2) * kFloat;
    launch<chunk_moments<T>>("group_norm chunk_moments", {blocks, t.threads, bytes, stream}, a);
    launch<join_moments>("group_norm join_moments",
                         {grid_of_groups(shape), kUsualThreads, kUsualThreads * kFloat, stream}, a);
    launch<chunk_forward<T, silu.value, dropout.value>>(
        "group_norm chunk_forward", {blocks, t.threads, kRows * t.width() * kFloat, stream}, a);
  };
  dispatch(shape.type, tensors.silu, tensors.dropout.threshold > 0, run);
}

}  // namespace ddpm::kernels
