#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// The order of q, k, v and heads in the channels of a joint projection.
enum class HeadOrder {
  kBlocks,       // q of all heads, k of all heads, v of all heads
  kInterleaved,  // q, k, v of the first head, then of the second, ... (labml)
};

// Computes softmax(q k^T / sqrt(d)) v over all tokens, for each head separately. qkv:
// [N,tokens,3*heads*d]; result: [N,tokens,heads*d]. Vaswani et al., "Attention is all you need",
// equation 1.
torch::Tensor attention(const torch::Tensor& qkv, std::int64_t heads, HeadOrder order);

// The same with queries of some tokens and keys and values of others: q [N,tokens,heads*d], k and v
// [N,other tokens,heads*d]; result: [N,tokens,heads*d]. The weights of all pairs of tokens are
// never in memory together, except on a GPU in float64 or with d that is not a multiple of 8 (in
// bf16).
torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads);

}  // namespace ddpm::ops
