#include "ddpm/ops/causal_attention.h"

#include <vector>

namespace ddpm::ops {

torch::Tensor causal_attention(const torch::Tensor& qkv, std::int64_t heads) {
  const std::int64_t n = qkv.size(0), tokens = qkv.size(1), width = qkv.size(2) / 3;
  // [N,heads,tokens,d] of q, k or v.
  const auto part = [&](std::int64_t i) {
    return qkv.view({n, tokens, 3, heads, width / heads}).select(2, i).transpose(1, 2);
  };
  return torch::scaled_dot_product_attention(part(0), part(1), part(2), /*attn_mask=*/{},
                                             /*dropout_p=*/0, /*is_causal=*/true)
      .transpose(1, 2)
      .reshape({n, tokens, width});
}

}  // namespace ddpm::ops
