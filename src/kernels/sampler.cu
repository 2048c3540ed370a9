#include "ddpm/kernels/sampler.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// `coefficients` of ddpm_step.
struct StepCoefficients {
  float inverse_root;
  float eps;
  float x0;
  float xt;
  float noise;
  float minimum;
  float maximum;
  float clip;
};

__device__ float step_element(const StepCoefficients& c, float x, float eps, float noise) {
  float x0 = (x - c.eps * eps) * c.inverse_root;
  // Comparisons and not fminf, fmaxf, which would hide an undefined number.
  if (c.clip != 0.0f) x0 = x0 < c.minimum ? c.minimum : x0 > c.maximum ? c.maximum : x0;
  return c.x0 * x0 + c.xt * x + c.noise * noise;
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    ddpm_step_kernel(float* x, const T* __restrict__ eps, const float* __restrict__ noise,
                     const float* __restrict__ coefficients, std::int64_t count) {
  const std::int64_t first = kWidth * thread_index();
  if (first >= count) return;
  const StepCoefficients c{coefficients[0], coefficients[1], coefficients[2], coefficients[3],
                           coefficients[4], coefficients[5], coefficients[6], coefficients[7]};
  auto values = load<kWidth>(x + first);
  const auto predicted = load<kWidth>(eps + first);
  Floats<kWidth> random{};
  if (noise != nullptr) random = load<kWidth>(noise + first);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = step_element(c, values[i], predicted[i], random[i]);
  store(x + first, values);
}

template <typename T, int kWidth>
void launch_ddpm_step(float* x, const void* eps, const float* noise, const float* coefficients,
                      std::int64_t count, Stream stream) {
  ddpm_step_kernel<T, kWidth><<<blocks_for(count / kWidth), kThreads, 0, stream>>>(
      x, static_cast<const T*>(eps), noise, coefficients, count);
  check_launch("ddpm_step");
}

}  // namespace

void ddpm_step(float* x, const void* eps, Type type, const float* noise, const float* coefficients,
               std::int64_t count, Stream stream) {
  if (count == 0) return;
  constexpr int kWidth = kVectorWidth<float>;
  const bool vectors = count % kWidth == 0 && is_aligned(x) && is_aligned(eps) && is_aligned(noise);
  dispatch(type, [&](auto element) {
    using T = decltype(element);
    if (vectors)
      launch_ddpm_step<T, kWidth>(x, eps, noise, coefficients, count, stream);
    else
      launch_ddpm_step<T, 1>(x, eps, noise, coefficients, count, stream);
  });
}

}  // namespace ddpm::kernels
