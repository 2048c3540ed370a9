#include "ddpm/kernels/unfold.h"

#include "device.cuh"

namespace ddpm::kernels {
namespace {

constexpr int kTaps = 9;

// A thread copies one vector.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    unfold_kernel(const T* __restrict__ x, T* __restrict__ out, UnfoldShape s) {
  wait_for_inputs();
  const std::int64_t vectors = s.channels / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= s.n * s.out_height * s.out_width * kTaps * vectors) return;
  std::int64_t rest = thread / vectors;
  const int tap = static_cast<int>(rest % kTaps);
  rest /= kTaps;
  const std::int64_t j = rest % s.out_width * s.stride - s.padding + tap % 3;
  rest /= s.out_width;
  const std::int64_t i = rest % s.out_height * s.stride - s.padding + tap / 3;
  const std::int64_t n = rest / s.out_height;
  Floats<kWidth> values{};
  if (i >= 0 && i < s.height && j >= 0 && j < s.width) {
    const std::int64_t pixel = (n * s.height + i) * s.width + j;
    values = load<kWidth>(x + (pixel * vectors + thread % vectors) * kWidth);
  }
  store(out + thread * kWidth, values);
}

}  // namespace

void unfold(const void* x, void* out, Type type, const UnfoldShape& s, Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t threads = s.n * s.out_height * s.out_width * kTaps * (s.channels / width);
    launch<unfold_kernel<T, width>>("unfold", one_thread_each(threads, stream),
                                    static_cast<const T*>(x), static_cast<T*>(out), s);
  };
  dispatch_width(type, s.channels, run, x, out);
}

}  // namespace ddpm::kernels
