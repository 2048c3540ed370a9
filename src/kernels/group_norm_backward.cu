#include "group_norm_common.cuh"

// With dz = dy * dropout * silu'(z), xhat = (u - mean) * rstd and, per sample and group of M
// elements, S1 = sum dz * gamma and S2 = sum dz * gamma * xhat:
//   dx = rstd * (dz * gamma - (S1 + xhat * S2) / M)
//      = scale * dz + slope * x + constant, where scale, slope and constant are the same for all
//      positions of a channel.
// S1, S2 and dshift are computed from sums for each channel, which dgamma and dbeta need anyway.
namespace ddpm::kernels {
namespace {

// Sums over positions, one of each for a channel, with u' = u - mean = x + offset.
enum Sum { kSumDz, kSumDzU, kSumU, kSums };

// The arguments of the kernels.
struct Backward {
  Geometry geometry;
  Tiling tiling;
  GroupNormBackward t;
  std::int64_t samples;
  // Float32 work arrays:
  float* by_sample;   // [2, samples, channels]: sum dz, sum dz * xhat
  float* by_chunk;    // [samples, chunks, kSums, channels]; chunked path only
  float* group_sums;  // [2, samples, groups]: rstd * S1 / M, S2 / M; chunked path only
};

// --- One lane ------------------------------------------------------------------------------------

// The numbers of its channels that a block keeps in shared memory, as rows of width floats: offset
// = shift - mean, the scale and bias of z = x * scale + bias, and rstd of the group. Later slope
// and constant of the gradient overwrite bias and rstd, which are no longer needed.
enum Row { kOffset, kScale, kBias, kRstd, kRows, kSlope = kBias, kConstant = kRstd };

struct Affine {
  float scale[kVector], bias[kVector];

  __device__ Affine(const float* rows, const Lane& lane, int width) {
    load_vector(rows + kScale * width + lane.column * kVector, scale);
    load_vector(rows + kBias * width + lane.column * kVector, bias);
  }
};

__device__ std::int64_t group_of(const Geometry& g, const Lane& lane, int channel) {
  return lane.sample * g.groups + channel / g.group_channels;
}

// Fills the block's rows; ends without a barrier. It is called before the copies of a slab start,
// because these loads would otherwise wait for the copies.
template <class T>
__device__ void make_rows(const Backward& a, const Lane& lane, float* rows) {
  const int width = a.tiling.width();
  for_each_channel(a.geometry, a.tiling, lane, [&](int c, int channel) {
    const std::int64_t group = group_of(a.geometry, lane, channel);
    const float rstd = a.t.rstd[group];
    const float offset = shift_of<T>(a.t.shift, a.t.shift_stride, lane, channel) - a.t.mean[group];
    const float scale = rstd * to_float(typed<T>(a.t.gamma)[channel]);
    rows[kOffset * width + c] = offset;
    rows[kScale * width + c] = scale;
    rows[kBias * width + c] = fmaf(offset, scale, to_float(typed<T>(a.t.beta)[channel]));
    rows[kRstd * width + c] = rstd;
  });
}

// Multiplies dy by silu'(z).
template <class T, bool kSilu>
__device__ void differentiate(const Affine& affine, const float (&x)[kVector],
                              float (&dy)[kVector]) {
  if constexpr (kSilu) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float z = fmaf(x[j], affine.scale[j], affine.bias[j]);
      const float s = sigmoid<T>(z);
      dy[j] *= fmaf(s, fmaf(-z, s, z), s);  // s * (1 + z * (1 - s))
    }
  }
}

// The lane's sums over its positions, with x instead of u'; centre() corrects them later.
struct LaneSums {
  float value[kSums][kVector] = {};

  __device__ void add(const float (&x)[kVector], const float (&dz)[kVector]) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      value[kSumDz][j] += dz[j];
      value[kSumDzU][j] = fmaf(dz[j], x[j], value[kSumDzU][j]);
      value[kSumU][j] += x[j];
    }
  }
};

// Turns the block's sums with x, [kSums, width], into sums with u'. The subtraction loses digits,
// but float32 has enough unless the mean is thousands of times the deviation. Each thread computes
// the channels that for_each_channel gives it.
__device__ void centre(const Backward& a, const Lane& lane, const float* rows, float* totals) {
  const int width = a.tiling.width();
  const float count = static_cast<float>(lane.end - lane.chunk_begin);
  for_each_channel(a.geometry, a.tiling, lane, [&](int c, int) {
    const float offset = rows[kOffset * width + c];
    float& dz_u = totals[kSumDzU * width + c];
    float& u = totals[kSumU * width + c];
    dz_u = fmaf(offset, totals[kSumDz * width + c], dz_u);
    u = fmaf(count, offset, u);
  });
}

// The coefficients of dx = scale * dz + slope * x + constant for eight channels.
struct Gradient {
  float scale[kVector], slope[kVector], constant[kVector];

  __device__ Gradient(const float* rows, const Lane& lane, int width) {
    load_vector(rows + kScale * width + lane.column * kVector, scale);
    load_vector(rows + kSlope * width + lane.column * kVector, slope);
    load_vector(rows + kConstant * width + lane.column * kVector, constant);
  }
};

// Writes slope and constant of channel c. s1 is rstd * S1 / M of its group, s2 is S2 / M.
__device__ void make_gradient(int c, int width, float s1, float s2, float* rows) {
  const float rstd = rows[kRstd * width + c];
  const float slope = -rstd * rstd * s2;
  rows[kConstant * width + c] = fmaf(slope, rows[kOffset * width + c], -s1);
  rows[kSlope * width + c] = slope;
}

// Writes dshift of one channel, the sum of dx over the positions, from the sums of its terms.
template <class T>
__device__ void store_shift_gradient(const Backward& a, std::int64_t sample, int channel,
                                     float rstd, float scale, float sum_dz, float sum_u, float s1,
                                     float s2) {
  const float others = fmaf(static_cast<float>(a.geometry.positions), s1, rstd * rstd * s2 * sum_u);
  T* const dshift = static_cast<T*>(a.t.dshift) + sample * a.geometry.channels;
  dshift[channel] = from_float<T>(fmaf(scale, sum_dz, -others));
}

// Writes dx of the lane. `read(position, x, dz)` supplies the inputs.
template <class T, class Read>
__device__ void write_gradient(const Backward& a, const Lane& lane, const Gradient& gradient,
                               const Read& read) {
  const Geometry& g = a.geometry;
  const int rows = a.tiling.rows;
  const Column<T> dx =
      find_column(static_cast<T*>(a.t.dx1), static_cast<T*>(a.t.dx2), g, lane.sample, lane.channel);
  const Column<const T> residual =
      find_column(typed<T>(a.t.residual1), typed<T>(a.t.residual2), g, lane.sample, lane.channel);
  // The residual comes from DRAM, so the next vector is loaded while this one is used.
  Pack<T> next = {};
  const bool add = residual.data != nullptr;
  if (add && lane.first < lane.end) next = load_global(residual.at(lane.first));
#pragma unroll 2
  for (int p = lane.first; p < lane.end; p += rows) {
    const Pack<T> now = next;
    if (add && p + rows < lane.end) next = load_global(residual.at(p + rows));
    float x[kVector], dz[kVector], r[kVector];
    read(p, x, dz);
    unpack(now, r);  // zeros if there is no residual
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float rest = fmaf(gradient.slope[j], x[j], gradient.constant[j]);
      r[j] += fmaf(gradient.scale[j], dz[j], rest);
    }
    store_vector(dx.at(p), r);
  }
}

// --- Slab ----------------------------------------------------------------------------------------

// Uses the sums of the slab's channels, [kSums, width]: stores the sample's part of dgamma and
// dbeta, writes dshift, and writes slope and constant to the rows. Ends with a barrier.
template <class T>
__device__ void use_slab_sums(const Backward& a, const Lane& lane, float* totals, float* rows) {
  const Geometry& g = a.geometry;
  const int width = a.tiling.width();
  const float inverse_count = 1.0f / (static_cast<float>(g.positions) * g.group_channels);
  centre(a, lane, rows, totals);
  __syncthreads();
  for_each_channel(g, a.tiling, lane, [&](int c, int channel) {
    float s1 = 0.0f, s2 = 0.0f;
    const int first = c / g.group_channels * g.group_channels;
    for (int i = first; i < first + g.group_channels; ++i) {
      const float scale = rows[kScale * width + i] * inverse_count;
      s1 = fmaf(scale, totals[kSumDz * width + i], s1);
      s2 = fmaf(scale, totals[kSumDzU * width + i], s2);
    }
    const float rstd = rows[kRstd * width + c];
    const float sum_dz = totals[kSumDz * width + c];
    make_gradient(c, width, s1, s2, rows);
    float* const by_sample = a.by_sample + lane.sample * g.channels + channel;
    by_sample[0] = sum_dz;
    by_sample[a.samples * g.channels] = rstd * totals[kSumDzU * width + c];
    if (a.t.dshift == nullptr) return;
    store_shift_gradient<T>(a, lane.sample, channel, rstd, rows[kScale * width + c], sum_dz,
                            totals[kSumU * width + c], s1, s2);
  });
  __syncthreads();
}

// dz overwrites dy in shared memory. Rounding it to T loses as much accuracy as rounding dx, and
// once the sums are known, only two multiply-adds are left to do.
template <class T, bool kSilu, bool kDropout>
__global__ void __maxnreg__(kBackwardRegisters) slab_backward(Backward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Tiling& t = a.tiling;
  const Lane lane(g, t);
  const int width = t.width();
  T* const slab = reinterpret_cast<T*>(dynamic_shared());
  T* const x_tile = slab + lane.column * kVector;  // the lane's column
  T* const dy_tile = x_tile + g.positions * width;
  float* const sums = reinterpret_cast<float*>(slab + 2 * g.positions * width);
  float* const rows = sums + sum_floats(t, kSums);
  const Column<const T> x =
      find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), g, lane.sample, lane.channel);
  const Column<const T> dy = find_column(typed<T>(a.t.dy), g, lane.sample, lane.channel);
  make_rows<T>(a, lane, rows);
  start_copies(lane, t, [&](int p) {
    copy_async<kVector>(x_tile + p * width, x.at(p));
    copy_async<kVector>(dy_tile + p * width, dy.at(p));
  });

  __syncthreads();  // the rows are complete
  const Affine affine(rows, lane, width);
  const DropoutFor<kDropout> dropout(a.t.dropout, g, lane);
  LaneSums lane_sums;
  use_copies(lane, t, [&](int p) {
    float v[kVector], d[kVector];
    load_vector(x_tile + p * width, v);
    load_vector(dy_tile + p * width, d);
    dropout.apply(p, d);
    differentiate<T, kSilu>(affine, v, d);
    lane_sums.add(v, d);
    store_vector(dy_tile + p * width, d);
  });
  float* const totals = sum_over_rows(lane_sums.value, lane, t, sums);
  use_slab_sums<T>(a, lane, totals, rows);
  const Gradient gradient(rows, lane, width);
  write_gradient<T>(a, lane, gradient, [&](int p, float(&v)[kVector], float(&d)[kVector]) {
    load_vector(x_tile + p * width, v);
    load_vector(dy_tile + p * width, d);
  });
}

// --- Chunked -------------------------------------------------------------------------------------

// Reads x and dz of a lane from global memory.
template <class T, bool kSilu, bool kDropout>
struct GlobalReader {
  const Affine& affine;
  Column<const T> x, dy;
  DropoutFor<kDropout> dropout;

  __device__ GlobalReader(const Backward& a, const Lane& lane, const Affine& z)
      : affine(z),
        x(find_column(typed<T>(a.t.x1), typed<T>(a.t.x2), a.geometry, lane.sample, lane.channel)),
        dy(find_column(typed<T>(a.t.dy), a.geometry, lane.sample, lane.channel)),
        dropout(a.t.dropout, a.geometry, lane) {}

  __device__ void operator()(int p, float (&v)[kVector], float (&d)[kVector]) const {
    load_vector(x.at(p), v);
    load_vector(dy.at(p), d);
    dropout.apply(p, d);
    differentiate<T, kSilu>(affine, v, d);
  }
};

template <class T, bool kSilu, bool kDropout>
__global__ void __launch_bounds__(kUsualThreads) chunk_sums(Backward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Tiling& t = a.tiling;
  const Lane lane(g, t);
  float* const shared = reinterpret_cast<float*>(dynamic_shared());
  float* const rows = shared + sum_floats(t, kSums);
  make_rows<T>(a, lane, rows);
  __syncthreads();
  const Affine affine(rows, lane, t.width());
  const GlobalReader<T, kSilu, kDropout> read(a, lane, affine);
  LaneSums sums;
#pragma unroll 2
  for (int p = lane.first; p < lane.end; p += t.rows) {
    float v[kVector], d[kVector];
    read(p, v, d);
    sums.add(v, d);
  }
  float* const totals = sum_over_rows(sums.value, lane, t, shared);
  centre(a, lane, rows, totals);
  float* const out = a.by_chunk + (lane.sample * t.chunks + lane.chunk) * kSums * g.channels;
  for_each_channel(g, t, lane, [&](int c, int channel) {
    for (int i = 0; i < kSums; ++i) out[i * g.channels + channel] = totals[i * t.width() + c];
  });
}

// Adds the sums of the chunks. There is one block for each (sample, group), and one thread for each
// channel.
template <class T>
__global__ void __launch_bounds__(kUsualThreads) join_sums(Backward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  float* const scratch = reinterpret_cast<float*>(dynamic_shared());
  const std::int64_t sample = blockIdx.z;
  const std::int64_t group = sample * g.groups + blockIdx.x;
  const int first = static_cast<int>(blockIdx.x) * g.group_channels;
  const int end = first + g.group_channels;
  const float rstd = a.t.rstd[group];
  const auto total = [&](Sum which, int channel) {
    float sum = 0.0f;
#pragma unroll 4
    for (int chunk = 0; chunk < a.tiling.chunks; ++chunk) {
      const std::int64_t row = (sample * a.tiling.chunks + chunk) * kSums + which;
      sum += a.by_chunk[row * g.channels + channel];
    }
    return sum;
  };

  float* const sum_dz = a.by_sample + sample * g.channels;
  float* const sum_dz_xhat = sum_dz + a.samples * g.channels;
  float s1 = 0.0f, s2 = 0.0f;
  for (int c = first + static_cast<int>(threadIdx.x); c < end; c += kUsualThreads) {
    const float gamma = to_float(typed<T>(a.t.gamma)[c]);
    sum_dz[c] = total(kSumDz, c);
    sum_dz_xhat[c] = rstd * total(kSumDzU, c);
    s1 = fmaf(gamma, sum_dz[c], s1);
    s2 = fmaf(gamma, sum_dz_xhat[c], s2);
  }
  const float count = static_cast<float>(g.positions) * g.group_channels;
  s1 = rstd * sum_over_threads(s1, scratch) / count;
  s2 = sum_over_threads(s2, scratch) / count;
  if (threadIdx.x == 0) {
    a.group_sums[group] = s1;
    a.group_sums[a.samples * g.groups + group] = s2;
  }
  if (a.t.dshift == nullptr) return;
  for (int c = first + static_cast<int>(threadIdx.x); c < end; c += kUsualThreads) {
    const float scale = rstd * to_float(typed<T>(a.t.gamma)[c]);
    store_shift_gradient<T>(a, sample, c, rstd, scale, sum_dz[c], total(kSumU, c), s1, s2);
  }
}

template <class T, bool kSilu, bool kDropout>
__global__ void __launch_bounds__(kUsualThreads) chunk_backward(Backward a) {
  wait_for_inputs();
  const Geometry& g = a.geometry;
  const Lane lane(g, a.tiling);
  const int width = a.tiling.width();
  float* const rows = reinterpret_cast<float*>(dynamic_shared());
  make_rows<T>(a, lane, rows);
  __syncthreads();
  const Affine affine(rows, lane, width);
  __syncthreads();  // all threads have read the rows, which are overwritten now
  for_each_channel(g, a.tiling, lane, [&](int c, int channel) {
    const std::int64_t group = group_of(g, lane, channel);
    make_gradient(c, width, a.group_sums[group], a.group_sums[a.samples * g.groups + group], rows);
  });
  __syncthreads();
  const Gradient gradient(rows, lane, width);
  write_gradient<T>(a, lane, gradient, GlobalReader<T, kSilu, kDropout>(a, lane, affine));
}

// --- Host ----------------------------------------------------------------------------------------

template <class T, bool kSilu, bool kDropout>
void launch_slab(const Backward& a, Stream stream) {
  const Tiling& t = a.tiling;
  static_assert(kSums == 2 + 1 && kRows == 2 + 2, "slab_bytes assumes these numbers");
  const int bytes = static_cast<int>(slab_bytes(t, 2, sizeof(T)));
  launch<slab_backward<T, kSilu, kDropout>>("group_norm slab_backward",
                                            {grid_of(t, a.samples), t.threads, bytes, stream}, a);
}

template <class T, bool kSilu, bool kDropout>
void launch_chunked(const GroupNormShape& shape, const Backward& a, Stream stream) {
  const Tiling& t = a.tiling;
  const dim3 blocks = grid_of(t, a.samples);
  constexpr int kFloat = sizeof(float);
  const int row_bytes = kRows * t.width() * kFloat;
  const int bytes = sum_floats(t, kSums) * kFloat + row_bytes;
  launch<chunk_sums<T, kSilu, kDropout>>("group_norm chunk_sums",
                                         {blocks, t.threads, bytes, stream}, a);
  launch<join_sums<T>>("group_norm join_sums",
                       {grid_of_groups(shape), kUsualThreads, kUsualThreads * kFloat, stream}, a);
  launch<chunk_backward<T, kSilu, kDropout>>("group_norm chunk_backward",
                                             {blocks, t.threads, row_bytes, stream}, a);
}

}  // namespace

std::int64_t group_norm_backward_workspace(const GroupNormShape& shape) {
  const Plan plan = make_plan(shape, 2);
  const std::int64_t by_sample = 2 * shape.samples * shape.channels;
  if (plan.slab) return by_sample;
  return by_sample + shape.samples * plan.tiling.chunks * kSums * shape.channels +
         2 * shape.samples * shape.groups;
}

void group_norm_backward(const GroupNormShape& shape, const GroupNormBackward& tensors,
                         Stream stream) {
  const Plan plan = make_plan(shape, 2);
  Backward a = {geometry_of(shape), plan.tiling, tensors, shape.samples, tensors.workspace};
  a.by_chunk = a.by_sample + 2 * shape.samples * shape.channels;
  a.group_sums = a.by_chunk + shape.samples * plan.tiling.chunks * kSums * shape.channels;
  dispatch(shape.type, tensors.silu, tensors.dropout.threshold > 0,
           [&](auto element, auto silu, auto dropout) {
             using T = decltype(element);
             if (plan.slab) {
               launch_slab<T, silu.value, dropout.value>(a, stream);
             } else {
               launch_chunked<T, silu.value, dropout.value>(shape, a, stream);
             }
           });
}

}  // namespace ddpm::kernels
