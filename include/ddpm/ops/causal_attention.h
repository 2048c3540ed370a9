#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Computes softmax(q k^T / sqrt(d)) v, where each token sees itself and those before it, for each
// head separately. qkv: [N,tokens,3*heads*d], q of all heads first, then k, then v; result:
// [N,tokens,heads*d]. Vaswani et al., "Attention is all you need", section 3.2.3.
torch::Tensor causal_attention(const torch::Tensor& qkv, std::int64_t heads);

}  // namespace ddpm::ops
