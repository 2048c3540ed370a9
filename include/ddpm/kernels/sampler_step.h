// One step of a sampler.
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// ops/sampler_step.h says what the numbers mean.
struct SamplerSum {
  float x, s, p, m0, m1, m2, m3, z;
};
struct SamplerRow {
  float time, input_scale;
  float from_x, from_p, minimum, maximum;
  float keep_x, keep_x0, keep_p;
  SamplerSum next, kept;
  float log_variance_small, log_variance_large;  // read by the op
  float guidance, known, known_noise;            // read by the generator
};

// Device memory, `count` elements each in the same layout. Null: no row uses it.
struct SamplerImages {
  float* x = nullptr;
  float* s = nullptr;
  const float* p = nullptr;
  float* m1 = nullptr;  // null if m2 is; likewise m2 and m3
  float* m2 = nullptr;
  float* m3 = nullptr;
  const float* z = nullptr;
  const float* bounds = nullptr;  // for thresholding, one for each image
  std::int64_t count = 0, count_per_image = 0;
};

// Makes the step that `row` (device) describes. If there are bounds b, x0 is first clipped to
// [-b,b] and divided by b. Null pointers are neither read nor written.
void sampler_step(const SamplerImages& images, const SamplerRow* row, Stream stream);

}  // namespace ddpm::kernels
