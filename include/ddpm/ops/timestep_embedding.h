#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// The ways in which published networks turn a time into sines and cosines.
struct TimestepEmbeddingOptions {
  std::int64_t width = 128;  // of the result; odd widths end in one zero
  bool cosine_first =
      false;  // cos block before sin block (OpenAI, diffusers' default); else sin first (Ho, labml)
  bool half_minus_one =
      true;  // frequencies 10000^(-k/(half-1)) (Ho, labml); else 10000^(-k/half) (OpenAI)
};

// t: [N], integers or floats, in steps. Result: [N, width], float64 if t is float64, else float32.
// It is never computed in half precision, which cannot tell 998 from 999. Vaswani et al.,
// "Attention is all you need", section 3.5.
torch::Tensor timestep_embedding(const torch::Tensor& t, const TimestepEmbeddingOptions& options);

}  // namespace ddpm::ops
