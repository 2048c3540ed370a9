#include "ddpm/kernels/resample.h"

#include "device.cuh"

namespace ddpm::kernels {
namespace {

// --- Filters -------------------------------------------------------------------------------------

// Along one side, tap s of phase a is the sum of those taps r of the 3-tap filter that see the same
// pixel. The taps r for s = 0 and s = 1 are:
//   phase 0: {0}, {1, 2}     phase 1: {0, 1}, {2}
__device__ bool meets(int phase, int tap, int r) { return (r > phase) == (tap == 1); }

// A thread computes kWidth input channels of one filter. The strides of `folded` are c_in for a
// tap, 4 c_in for a filter and c_out * 4 c_in for a phase.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const T* __restrict__ filters, T* __restrict__ folded, std::int64_t c_out,
                std::int64_t c_in) {
  wait_for_inputs();
  const std::int64_t vectors = c_in / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= c_out * vectors) return;
  const std::int64_t filter = thread / vectors, channel = thread % vectors * kWidth;
  Floats<kWidth> taps[9];
#pragma unroll
  for (int i = 0; i < 9; ++i) taps[i] = load<kWidth>(filters + (filter * 9 + i) * c_in + channel);
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int phase = i / 4, a = phase / 2, b = phase % 2, s = i / 2 % 2, t = i % 2;
    Floats<kWidth> sum{};
#pragma unroll
    for (int r = 0; r < 3; ++r)
#pragma unroll
      for (int q = 0; q < 3; ++q)
        if (meets(a, s, r) && meets(b, t, q))
#pragma unroll
          for (int k = 0; k < kWidth; ++k) sum[k] += taps[3 * r + q][k];
    store(folded + ((phase * c_out + filter) * 4 + 2 * s + t) * c_in + channel, sum);
  }
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    unfold_kernel(const T* __restrict__ folded, T* __restrict__ filters, std::int64_t c_out,
                  std::int64_t c_in) {
  wait_for_inputs();
  const std::int64_t vectors = c_in / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= c_out * vectors) return;
  const std::int64_t filter = thread / vectors, channel = thread % vectors * kWidth;
  Floats<kWidth> sums[9] = {};
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int phase = i / 4, a = phase / 2, b = phase % 2, s = i / 2 % 2, t = i % 2;
    const auto value =
        load<kWidth>(folded + ((phase * c_out + filter) * 4 + 2 * s + t) * c_in + channel);
#pragma unroll
    for (int r = 0; r < 3; ++r)
#pragma unroll
      for (int q = 0; q < 3; ++q)
        if (meets(a, s, r) && meets(b, t, q))
#pragma unroll
          for (int k = 0; k < kWidth; ++k) sums[3 * r + q][k] += value[k];
  }
#pragma unroll
  for (int i = 0; i < 9; ++i) store(filters + (filter * 9 + i) * c_in + channel, sums[i]);
}

// --- Phases --------------------------------------------------------------------------------------

// The place of a vector of the large map: its number in the pixel, and its number in `phases`.
struct PhasePlace {
  std::int64_t channel_vector, phase_vector;
};

// `vectors` is the number of vectors of a pixel.
__device__ PhasePlace place_of(const PhaseShape& s, std::int64_t vectors, std::int64_t thread) {
  const std::int64_t channel_vector = thread % vectors;
  std::int64_t rest = thread / vectors;
  const std::int64_t x = rest % (2 * s.width);
  rest /= 2 * s.width;
  const std::int64_t y = rest % (2 * s.height), n = rest / (2 * s.height);
  const std::int64_t a = y % 2, b = x % 2;
  const std::int64_t position = (n * (s.height + 1) + y / 2 + a) * (s.width + 1) + x / 2 + b;
  return {channel_vector, (position * 4 + 2 * a + b) * vectors + channel_vector};
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    join_kernel(const T* __restrict__ phases, const T* __restrict__ bias, T* __restrict__ image,
                PhaseShape s) {
  wait_for_inputs();
  const std::int64_t vectors = s.channels / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= s.n * 4 * s.height * s.width * vectors) return;
  const PhasePlace place = place_of(s, vectors, thread);
  auto values = load<kWidth>(phases + place.phase_vector * kWidth);
  const auto shift = load<kWidth>(bias + place.channel_vector * kWidth);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] += shift[i];
  store(image + thread * kWidth, values);
}

// A thread computes one vector of `phases`, so that every vector is written.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    split_kernel(const T* __restrict__ image, T* __restrict__ phases, PhaseShape s) {
  wait_for_inputs();
  const std::int64_t vectors = s.channels / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= s.n * (s.height + 1) * (s.width + 1) * 4 * vectors) return;
  const std::int64_t channel_vector = thread % vectors;
  std::int64_t rest = thread / vectors;
  const std::int64_t a = rest / 2 % 2, b = rest % 2;
  rest /= 4;
  const std::int64_t j = rest % (s.width + 1) - b;
  rest /= s.width + 1;
  const std::int64_t i = rest % (s.height + 1) - a, n = rest / (s.height + 1);
  Floats<kWidth> values{};
  if (i >= 0 && i < s.height && j >= 0 && j < s.width) {
    const std::int64_t pixel = (n * 2 * s.height + 2 * i + a) * 2 * s.width + 2 * j + b;
    values = load<kWidth>(image + (pixel * vectors + channel_vector) * kWidth);
  }
  store(phases + thread * kWidth, values);
}

// --- Window --------------------------------------------------------------------------------------

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    window_kernel(const T* __restrict__ from, const T* __restrict__ bias, T* __restrict__ to,
                  WindowShape s) {
  wait_for_inputs();
  const std::int64_t vectors = s.channels / kWidth;
  const std::int64_t thread = thread_index();
  if (thread >= s.n * s.to_height * s.to_width * vectors) return;
  const std::int64_t channel_vector = thread % vectors;
  std::int64_t rest = thread / vectors;
  const std::int64_t j = rest % s.to_width + s.offset;
  rest /= s.to_width;
  const std::int64_t i = rest % s.to_height + s.offset, n = rest / s.to_height;
  Floats<kWidth> values{};
  if (i >= 0 && i < s.from_height && j >= 0 && j < s.from_width) {
    const std::int64_t pixel = (n * s.from_height + i) * s.from_width + j;
    values = load<kWidth>(from + (pixel * vectors + channel_vector) * kWidth);
  }
  if (bias != nullptr) {
    const auto shift = load<kWidth>(bias + channel_vector * kWidth);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) values[k] += shift[k];
  }
  store(to + thread * kWidth, values);
}

}  // namespace

void fold_filters(const void* filters, void* folded, Type type, std::int64_t c_out,
                  std::int64_t c_in, Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    launch<fold_kernel<T, width>>("fold_filters", one_thread_each(c_out * c_in / width, stream),
                                  static_cast<const T*>(filters), static_cast<T*>(folded), c_out,
                                  c_in);
  };
  dispatch_width(type, c_in, run, filters, folded);
}

void unfold_filters(const void* folded, void* filters, Type type, std::int64_t c_out,
                    std::int64_t c_in, Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    launch<unfold_kernel<T, width>>("unfold_filters", one_thread_each(c_out * c_in / width, stream),
                                    static_cast<const T*>(folded), static_cast<T*>(filters), c_out,
                                    c_in);
  };
  dispatch_width(type, c_in, run, folded, filters);
}

void join_phases(const void* phases, const void* bias, void* image, Type type, const PhaseShape& s,
                 Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t threads = s.n * 4 * s.height * s.width * (s.channels / width);
    launch<join_kernel<T, width>>("join_phases", one_thread_each(threads, stream),
                                  static_cast<const T*>(phases), static_cast<const T*>(bias),
                                  static_cast<T*>(image), s);
  };
  dispatch_width(type, s.channels, run, phases, bias, image);
}

void split_phases(const void* image, void* phases, Type type, const PhaseShape& s, Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t threads = s.n * (s.height + 1) * (s.width + 1) * 4 * (s.channels / width);
    launch<split_kernel<T, width>>("split_phases", one_thread_each(threads, stream),
                                   static_cast<const T*>(image), static_cast<T*>(phases), s);
  };
  dispatch_width(type, s.channels, run, image, phases);
}

void shift_window(const void* from, const void* bias, void* to, Type type, const WindowShape& s,
                  Stream stream) {
  const auto run = [&](auto element, auto width) {
    using T = decltype(element);
    const std::int64_t threads = s.n * s.to_height * s.to_width * (s.channels / width);
    launch<window_kernel<T, width>>("shift_window", one_thread_each(threads, stream),
                                    static_cast<const T*>(from), static_cast<const T*>(bias),
                                    static_cast<T*>(to), s);
  };
  dispatch_width(type, s.channels, run, from, bias, to);
}

}  // namespace ddpm::kernels
