#include "ddpm/kernels/adam.h"

#include <algorithm>

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// ---- Adam ----

// The number of elements that a thread updates. With four, neighbouring threads read neighbouring
// 16 bytes of each float32 array.
constexpr int kAdamWidth = 4;

// Numbers of the step that are the same for all elements.
struct AdamFactors {
  float gradient;           // factor that clips the gradient
  float decay;              // learning rate * weight decay, if decoupled
  float step;               // learning rate / (1 - beta1^t)
  float inverse_root_bias;  // 1 / sqrt(1 - beta2^t)
  float average;
};

__device__ AdamFactors adam_factors(const AdamOptions& options, const float* scalars, float norm) {
  AdamFactors factors;
  factors.gradient =
      options.clip_norm > 0.0f ? 1.0f / fmaxf(1.0f, (norm + 1e-6f) / options.clip_norm) : 1.0f;
  factors.decay = scalars[0] * options.weight_decay;
  factors.step = scalars[0] / scalars[1];
  factors.inverse_root_bias = 1.0f / scalars[2];
  factors.average = scalars[3];
  return factors;
}

// Updates one weight w and its moments m and v.
__device__ void adam_element(const AdamOptions& options, const AdamFactors& factors, float g,
                             float& w, float& m, float& v) {
  g *= factors.gradient;
  if (options.decoupled)
    w -= factors.decay * w;
  else
    g += options.weight_decay * w;
  m = options.beta1 * m + (1.0f - options.beta1) * g;
  v = options.beta2 * v + (1.0f - options.beta2) * g * g;
  w -= factors.step * m / (sqrtf(v) * factors.inverse_root_bias + options.epsilon);
}

template <typename G>
__global__ void __launch_bounds__(kThreads)
    adam_kernel(AdamBuffers buffers, AdamOptions options, const float* __restrict__ scalars,
                const float* __restrict__ norm) {
  wait_for_inputs();
  const std::int64_t first = kAdamWidth * thread_index();
  // A step with an infinite or undefined gradient is skipped: it would spoil all weights for good.
  if (first >= buffers.count || !isfinite(*norm)) return;
  const AdamFactors factors = adam_factors(options, scalars, *norm);

  const auto g = load<kAdamWidth>(static_cast<const G*>(buffers.gradients) + first);
  auto w = load<kAdamWidth>(buffers.master + first);
  auto m = load<kAdamWidth>(buffers.exp_avg + first);
  auto v = load<kAdamWidth>(buffers.exp_avg_sq + first);
  Floats<kAdamWidth> average{};
  if (buffers.average != nullptr) average = load<kAdamWidth>(buffers.average + first);
#pragma unroll
  for (int i = 0; i < kAdamWidth; ++i) {
    adam_element(options, factors, g[i], w[i], m[i], v[i]);
    average[i] += factors.average * (w[i] - average[i]);
  }
  store(buffers.master + first, w);
  store(buffers.exp_avg + first, m);
  store(buffers.exp_avg_sq + first, v);
  if (buffers.average != nullptr) store(buffers.average + first, average);
  if (buffers.copy != nullptr) store(static_cast<__nv_bfloat16*>(buffers.copy) + first, w);
}

// ---- Norm ----

// Block b writes its sum of squares to partials[b].
template <typename T>
__global__ void __launch_bounds__(kThreads)
    squares_kernel(const T* __restrict__ gradients, std::int64_t count, bool aligned,
                   float* __restrict__ partials) {
  wait_for_inputs();
  constexpr int kWidth = kVectorWidth<T>;
  __shared__ float shared[kThreads / 32];
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kThreads;
  const std::int64_t vectors = aligned ? count / kWidth : 0;
  Floats<kWidth> sums{};
#pragma unroll 4
  for (std::int64_t i = thread_index(); i < vectors; i += stride) {
    const auto g = load<kWidth>(gradients + i * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sums[k] += g[k] * g[k];
  }
  // The elements after the last whole vector, or all elements if they are not aligned.
  for (std::int64_t i = vectors * kWidth + thread_index(); i < count; i += stride) {
    const float g = to_float(gradients[i]);
    sums[0] += g * g;
  }
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) sum += sums[k];
  sum = reduce_block(sum, shared, Add{});
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block computes the square root of the sum of the partial sums.
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const float* __restrict__ partials, int count, float* __restrict__ norm) {
  wait_for_inputs();
  __shared__ double sums[kThreads];
  double sum = 0.0;
  for (int i = threadIdx.x; i < count; i += kThreads) sum += partials[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sums[0]));
}

}  // namespace

void adam_step(const AdamBuffers& buffers, const AdamOptions& options, const float* scalars,
               const float* norm, Stream stream) {
  if (buffers.count % 64 != 0) throw std::runtime_error("adam_step: count is not a multiple of 64");
  if (buffers.count == 0) return;
  dispatch(buffers.gradient_type, [&](auto element) {
    using G = decltype(element);
    launch<adam_kernel<G>>("adam_step", one_thread_each(buffers.count / kAdamWidth, stream),
                           buffers, options, scalars, norm);
  });
}

void gradient_norm(const void* gradients, Type type, std::int64_t count, float* partials,
                   float* norm, Stream stream) {
  // About 16 elements for each thread, more if the partial sums would not fit in the workspace.
  // Count 0 also needs a block, to write the norm 0.
  const auto blocks = static_cast<unsigned>(
      std::clamp<std::int64_t>(divide_up(count, 16 * kThreads), 1, kGradientNormWorkspace));
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    launch<squares_kernel<T>>("gradient_norm squares", {blocks, kThreads, 0, stream},
                              static_cast<const T*>(gradients), count, is_aligned(gradients),
                              partials);
  });
  launch<norm_kernel>("gradient_norm", {1, kThreads, 0, stream}, partials, static_cast<int>(blocks),
                      norm);
}

}  // namespace ddpm::kernels
