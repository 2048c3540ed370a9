// Computes the gradients of gamma and beta: it adds the sums of all samples that the backward
// kernels stored.
#include "group_norm_common.cuh"

namespace ddpm::kernels {
namespace {

using Row = float[kWarp + 1];  // padded, so that columns are read without bank conflicts

// The threads of a block form a square. All its rows sum the same channels, each over other
// samples; then each warp adds the sums of all rows for one channel. The grid is (channels,
// parameter).
template <class T>
__global__ void __launch_bounds__(kWarp* kWarp)
    sum_samples(const float* by_sample, T* dbeta, T* dgamma, std::int64_t samples, int channels) {
  wait_for_inputs();
  __shared__ Row sums[kWarp];
  const bool is_gamma = blockIdx.y == 1;
  const int first = static_cast<int>(blockIdx.x) * kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  float sum = 0.0f;
  if (first + lane < channels) {
    const float* const column = by_sample + (is_gamma ? samples * channels : 0) + first + lane;
#pragma unroll 4
    for (std::int64_t n = warp; n < samples; n += kWarp) sum += column[n * channels];
  }
  sums[warp][lane] = sum;
  __syncthreads();
  sum = reduce_lanes<kWarp>(sums[lane][warp], Add{});
  if (lane == 0 && first + warp < channels)
    (is_gamma ? dgamma : dbeta)[first + warp] = from_float<T>(sum);
}

}  // namespace

void group_norm_parameter_gradients(const GroupNormShape& shape, const float* workspace,
                                    void* dgamma, void* dbeta, Stream stream) {
  const dim3 blocks(static_cast<unsigned>(divide_up(shape.channels, kWarp)), 2);
  dispatch(shape.type, [&](auto element) {
    using T = decltype(element);
    launch<sum_samples<T>>("group_norm sum_samples", {blocks, kWarp * kWarp, 0, stream}, workspace,
                           static_cast<T*>(dbeta), static_cast<T*>(dgamma), shape.samples,
                           static_cast<int>(shape.channels));
  });
}

}  // namespace ddpm::kernels
