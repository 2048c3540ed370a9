#include "ddpm/ops/attention.h"

namespace ddpm::ops {

torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads) {
  const auto split = [&](const torch::Tensor& x) {
    return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
  };
  const torch::Tensor out = torch::scaled_dot_product_attention(split(q), split(k), split(v));
  return out.transpose(1, 2).reshape(q.sizes());
}

}  // namespace ddpm::ops
