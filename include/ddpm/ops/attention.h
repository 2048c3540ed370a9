#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// softmax(q k^T / sqrt(d)) v over all tokens, each head on its own. q, k, v: [N, tokens, heads*d];
// so is the result. Vaswani et al., "Attention is all you need", equation 1.
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads);

}  // namespace ddpm::ops
