#include "ddpm/kernels/sampler_step.h"

#include "device.cuh"

namespace ddpm::kernels {

namespace {

// The values of the registers for one element.
struct Element {
  float x, s, p, m0, m1, m2, m3, z;
};

// sum + coefficient * value. If the coefficient is 0, the value is ignored, even if it is not
// finite.
__device__ float add_term(float sum, float coefficient, float value) {
  return coefficient == 0.0f ? sum : fmaf(coefficient, value, sum);
}

// kPlain: there are no s and no m1 to m3.
template <bool kPlain>
__device__ float sum_of(const SamplerSum& c, const Element& e) {
  float sum = add_term(0.0f, c.m0, e.m0);
  sum = add_term(sum, c.x, e.x);
  sum = add_term(sum, c.p, e.p);
  sum = add_term(sum, c.z, e.z);
  if constexpr (!kPlain) {
    sum = add_term(sum, c.s, e.s);
    sum = add_term(sum, c.m1, e.m1);
    sum = add_term(sum, c.m2, e.m2);
    sum = add_term(sum, c.m3, e.m3);
  }
  return sum;
}

// Uses comparisons, because fminf and fmaxf would replace an undefined number by a bound.
__device__ float clip(float value, float minimum, float maximum) {
  return value < minimum ? minimum : value > maximum ? maximum : value;
}

template <int kWidth>
__device__ Floats<kWidth> load_if_any(const float* pointer, std::int64_t first) {
  Floats<kWidth> values{};
  if (pointer != nullptr) values = load<kWidth>(pointer + first);
  return values;
}

template <int kWidth>
__device__ void store_if_any(float* pointer, std::int64_t first, const Floats<kWidth>& values) {
  if (pointer != nullptr) store(pointer + first, values);
}

// kPlain: s, m1 to m3 and bounds are null, so that only x, p and z are read or written.
template <int kWidth, bool kPlain>
__global__ void __launch_bounds__(kThreads)
    sampler_step_kernel(SamplerImages images, const SamplerRow* __restrict__ row) {
  wait_for_inputs();
  const std::int64_t first = kWidth * thread_index();
  if (first >= images.count) return;
  auto x = load<kWidth>(images.x + first);
  const auto p = load<kWidth>(images.p + first);
  const auto z = load_if_any<kWidth>(images.z, first);
  Floats<kWidth> s{}, m0{}, m1{}, m2{}, m3{};
  if constexpr (!kPlain) {
    s = load_if_any<kWidth>(images.s, first);
    m1 = load_if_any<kWidth>(images.m1, first);
    m2 = load_if_any<kWidth>(images.m2, first);
    m3 = load_if_any<kWidth>(images.m3, first);
  }
  const SamplerRow c = *row;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    float x0 = add_term(add_term(0.0f, c.from_x, x[i]), c.from_p, p[i]);
    if constexpr (!kPlain) {
      if (images.bounds != nullptr) {
        const float bound = images.bounds[(first + i) / images.count_per_image];
        x0 = clip(x0, -bound, bound) / bound;
      }
    }
    x0 = clip(x0, c.minimum, c.maximum);
    m0[i] = add_term(add_term(add_term(0.0f, c.keep_x0, x0), c.keep_x, x[i]), c.keep_p, p[i]);
    const Element e{x[i], s[i], p[i], m0[i], m1[i], m2[i], m3[i], z[i]};
    x[i] = sum_of<kPlain>(c.next, e);
    if constexpr (!kPlain) s[i] = sum_of<kPlain>(c.kept, e);
  }
  store(images.x + first, x);
  if constexpr (!kPlain) {
    store_if_any(images.s, first, s);
    store_if_any(images.m1, first, m0);
    store_if_any(images.m2, first, m1);
    store_if_any(images.m3, first, m2);
  }
}

template <int kWidth, bool kPlain>
void launch_step(const SamplerImages& images, const SamplerRow* row, Stream stream) {
  launch<sampler_step_kernel<kWidth, kPlain>>(
      "sampler_step", one_thread_each(images.count / kWidth, stream), images, row);
}

}  // namespace

void sampler_step(const SamplerImages& images, const SamplerRow* row, Stream stream) {
  if (images.count == 0) return;
  constexpr int kWidth = kVectorWidth<float>;
  bool vectors = images.count % kWidth == 0;
  for (const float* pointer :
       {static_cast<const float*>(images.x), static_cast<const float*>(images.s), images.p,
        static_cast<const float*>(images.m1), static_cast<const float*>(images.m2),
        static_cast<const float*>(images.m3), images.z})
    vectors = vectors && is_aligned(pointer);
  const bool plain = images.s == nullptr && images.m1 == nullptr && images.bounds == nullptr;
  if (vectors && plain)
    launch_step<kWidth, true>(images, row, stream);
  else if (vectors)
    launch_step<kWidth, false>(images, row, stream);
  else if (plain)
    launch_step<1, true>(images, row, stream);
  else
    launch_step<1, false>(images, row, stream);
}

}  // namespace ddpm::kernels
