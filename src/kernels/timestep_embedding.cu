#include "ddpm/kernels/timestep_embedding.h"

#include <cmath>

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// A thread computes one element. log_step = -log(10000) / divisor.
template <typename Time>
__global__ void __launch_bounds__(kThreads)
    timestep_embedding_kernel(const Time* __restrict__ t, float* __restrict__ out,
                              TimestepEmbeddingShape shape, float log_step) {
  wait_for_inputs();
  const std::int64_t row = thread_index() / shape.width, column = thread_index() % shape.width;
  if (row >= shape.n) return;
  const std::int64_t half = shape.width / 2;
  const bool in_first_block = column < half;
  const auto k = static_cast<float>(in_first_block ? column : column - half);
  const float angle = static_cast<float>(t[row * shape.t_stride]) * expf(k * log_step);
  float value = in_first_block == shape.cosine_first ? cosf(angle) : sinf(angle);
  if (column >= 2 * half) value = 0.0f;  // the last element of an odd width
  out[thread_index()] = value;
}

template <typename Time>
void launch_timestep_embedding(const Time* t, float* out, const TimestepEmbeddingShape& shape,
                               Stream stream) {
  if (shape.n * shape.width == 0) return;
  const std::int64_t half = shape.width / 2;
  const double divisor = static_cast<double>(shape.half_minus_one ? half - 1 : half);
  const auto log_step = static_cast<float>(-std::log(10000.0) / divisor);
  launch<timestep_embedding_kernel<Time>>("timestep_embedding",
                                          one_thread_each(shape.n * shape.width, stream), t, out,
                                          shape, log_step);
}

}  // namespace

void timestep_embedding(const std::int64_t* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream) {
  launch_timestep_embedding(t, out, shape, stream);
}

void timestep_embedding(const float* t, float* out, const TimestepEmbeddingShape& shape,
                        Stream stream) {
  launch_timestep_embedding(t, out, shape, stream);
}

}  // namespace ddpm::kernels
