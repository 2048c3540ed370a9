#include "winograd_transforms.h"

// The compiler makes a version for each width of vectors; the loader chooses that of the machine.
#if defined(__x86_64__) && defined(__ELF__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DDPM_FOR_EACH_VECTOR_WIDTH \
  __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define DDPM_FOR_EACH_VECTOR_WIDTH
#endif

namespace ddpm::ops::winograd {

DDPM_FOR_EACH_VECTOR_WIDTH
void transform_input_row(const float* const* pixels, int row, float* __restrict out,
                         std::int64_t step, std::int64_t channels) {
  // Rows of B^T: d0 - d2, d1 + d2, d2 - d1, d1 - d3.
  constexpr int kPlus[] = {0, 1, 2, 1}, kOther[] = {2, 2, 1, 3};
  const float sign = row == 1 ? 1.0f : -1.0f;
  const float* const* p = pixels + 4 * kPlus[row];
  const float* const* q = pixels + 4 * kOther[row];
  const float *p0 = p[0], *p1 = p[1], *p2 = p[2], *p3 = p[3];
  const float *q0 = q[0], *q1 = q[1], *q2 = q[2], *q3 = q[3];
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    const float t0 = p0[c] + sign * q0[c], t1 = p1[c] + sign * q1[c];
    const float t2 = p2[c] + sign * q2[c], t3 = p3[c] + sign * q3[c];
    out[c] = t0 - t2;
    out[step + c] = t1 + t2;
    out[2 * step + c] = t2 - t1;
    out[3 * step + c] = t1 - t3;
  }
}

DDPM_FOR_EACH_VECTOR_WIDTH
void transform_filter(const float* const* taps, float* __restrict out, std::int64_t step,
                      std::int64_t channels) {
  const float *g0 = taps[0], *g1 = taps[1], *g2 = taps[2], *g3 = taps[3], *g4 = taps[4];
  const float *g5 = taps[5], *g6 = taps[6], *g7 = taps[7], *g8 = taps[8];
  // Rows of G: g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2.
  const auto row = [step](float* to, float a, float b, float c) {
    to[0] = a;
    to[step] = 0.5f * (a + c + b);
    to[2 * step] = 0.5f * (a + c - b);
    to[3 * step] = c;
  };
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    const float s0 = g0[c] + g6[c], s1 = g1[c] + g7[c], s2 = g2[c] + g8[c];
    row(out + c, g0[c], g1[c], g2[c]);
    row(out + 4 * step + c, 0.5f * (s0 + g3[c]), 0.5f * (s1 + g4[c]), 0.5f * (s2 + g5[c]));
    row(out + 8 * step + c, 0.5f * (s0 - g3[c]), 0.5f * (s1 - g4[c]), 0.5f * (s2 - g5[c]));
    row(out + 12 * step + c, g6[c], g7[c], g8[c]);
  }
}

DDPM_FOR_EACH_VECTOR_WIDTH
void transform_output(const float* __restrict m, std::int64_t step, const float* bias,
                      float* const* pixels, std::int64_t channels) {
  float *y0 = pixels[0], *y1 = pixels[1], *y2 = pixels[2], *y3 = pixels[3];
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    // Rows of A^T: m0 + m1 + m2, m1 - m2 - m3.
    const auto upper = [&](int j) {
      return m[j * step + c] + m[(4 + j) * step + c] + m[(8 + j) * step + c];
    };
    const auto lower = [&](int j) {
      return m[(4 + j) * step + c] - m[(8 + j) * step + c] - m[(12 + j) * step + c];
    };
    const float u1 = upper(1), u2 = upper(2), l1 = lower(1), l2 = lower(2);
    y0[c] = upper(0) + u1 + u2 + bias[c];
    y1[c] = u1 - u2 - upper(3) + bias[c];
    y2[c] = lower(0) + l1 + l2 + bias[c];
    y3[c] = l1 - l2 - lower(3) + bias[c];
  }
}

DDPM_FOR_EACH_VECTOR_WIDTH
void transform_gradient_row(const float* const* pixels, int row, float* __restrict out,
                            std::int64_t step, std::int64_t channels) {
  constexpr float kFirst[] = {1, 1, 1, 0}, kSecond[] = {0, 1, -1, -1};  // A
  const float a = kFirst[row], b = kSecond[row];
  const float *p0 = pixels[0], *p1 = pixels[1], *q0 = pixels[2], *q1 = pixels[3];
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    const float t0 = a * p0[c] + b * q0[c], t1 = a * p1[c] + b * q1[c];
    out[c] = t0;
    out[step + c] = t0 + t1;
    out[2 * step + c] = t0 - t1;
    out[3 * step + c] = -t1;
  }
}

DDPM_FOR_EACH_VECTOR_WIDTH
void transform_filter_gradient(const float* __restrict u, std::int64_t step, float* __restrict taps,
                               std::int64_t tap_step, std::int64_t channels) {
#pragma GCC ivdep
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto column = [&](int j, int row) {  // of G^T u
      const float u0 = u[j * step + c], u3 = u[(12 + j) * step + c];
      const float half_sum = 0.5f * (u[(4 + j) * step + c] + u[(8 + j) * step + c]);
      if (row == 0) return u0 + half_sum;
      if (row == 2) return half_sum + u3;
      return 0.5f * (u[(4 + j) * step + c] - u[(8 + j) * step + c]);
    };
    for (int row = 0; row < 3; ++row) {
      const float t0 = column(0, row), t1 = column(1, row), t2 = column(2, row),
                  t3 = column(3, row);
      float* to = taps + 3 * row * tap_step + c;
      to[0] = t0 + 0.5f * (t1 + t2);
      to[tap_step] = 0.5f * (t1 - t2);
      to[2 * tap_step] = 0.5f * (t1 + t2) + t3;
    }
  }
}

}  // namespace ddpm::ops::winograd
