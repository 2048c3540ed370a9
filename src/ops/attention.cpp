#include "ddpm/ops/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "ddpm/kernels/softmax.h"
#include "kernels.h"

#if DDPM_WITH_KERNELS
#include <ATen/cuda/CUDAContext.h>
#endif

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// With more tokens the matrix of weights, tokens x tokens for each image, takes too much memory.
constexpr std::int64_t kMaxTokens = 1024;

struct Rows {
  std::int64_t count, length;
  explicit Rows(const torch::Tensor& scores)
      : count(scores.size(0) * scores.size(1)), length(scores.size(2)) {}
};

torch::Tensor softmax_in_place(const torch::Tensor& scores, double scale) {
  const Rows rows(scores);
  kernels::softmax(scores.data_ptr(), type_of(scores), rows.count, rows.length,
                   static_cast<float>(scale), stream_of(scores));
  return scores;
}

struct QueryKeyValue {
  torch::Tensor q, k, v;
};

QueryKeyValue split(const torch::Tensor& qkv) {
  const std::vector<torch::Tensor> parts = qkv.chunk(3, 2);
  return {parts[0], parts[1], parts[2]};
}

// One head of all channels. At this width plain matrix multiplications are faster than the fused
// attention operators, above all in the backward pass. Each gradient is written directly to its
// third of the joint gradient.
class SingleHeadFunction : public torch::autograd::Function<SingleHeadFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& qkv) {
    const auto [q, k, v] = split(qkv);
    const torch::Tensor weights = softmax_in_place(torch::bmm(q, k.transpose(1, 2)), scale_of(q));
    context->save_for_backward({qkv, weights});
    return torch::bmm(weights, v);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [q, k, v] = split(saved[0]);
    const torch::Tensor& weights = saved[1];
    const torch::Tensor& dy = gradients[0];
    const torch::Tensor dqkv = torch::empty_like(saved[0]);
    auto [dq, dk, dv] = split(dqkv);
    torch::bmm_out(dv, weights.transpose(1, 2), dy);
    const torch::Tensor dscores = torch::bmm(dy, v.transpose(1, 2));
    const Rows rows(weights);
    kernels::softmax_backward(weights.const_data_ptr(), dscores.data_ptr(), type_of(weights),
                              rows.count, rows.length, static_cast<float>(scale_of(q)),
                              stream_of(weights));
    torch::bmm_out(dq, dscores, k);
    torch::bmm_out(dk, dscores.transpose(1, 2), q);
    return {dqkv};
  }

 private:
  static double scale_of(const torch::Tensor& q) {
    return 1.0 / std::sqrt(static_cast<double>(q.size(2)));
  }
};

// Whether cuDNN's fused operator is faster: without gradients it is, once the matrix of weights no
// longer fits the cache. Its first use costs a second. It needs one head with no more channels than
// Hopper supports.
bool fused_wins([[maybe_unused]] const torch::Tensor& qkv) {
#if DDPM_WITH_KERNELS
  constexpr std::int64_t kWeights = std::int64_t{1} << 23;  // 128 images of 256 tokens
  constexpr std::int64_t kMaxWidth = 256;
  const std::int64_t n = qkv.size(0), tokens = qkv.size(1), width = qkv.size(2) / 3;
  return !torch::GradMode::is_enabled() && qkv.scalar_type() == torch::kBFloat16 &&
         n * tokens * tokens >= kWeights && width <= kMaxWidth && width % 8 == 0 &&
         at::cuda::getCurrentDeviceProperties()->major == 9;
#else
  return false;
#endif
}

torch::Tensor fused_attention(const torch::Tensor& qkv) {
  const auto [q, k, v] = split(qkv);
  return std::get<0>(at::_scaled_dot_product_cudnn_attention(q.unsqueeze(1), k.unsqueeze(1),
                                                             v.unsqueeze(1), std::nullopt,
                                                             /*compute_log_sumexp=*/false))
      .squeeze(1)
      .contiguous();
}

}  // namespace

torch::Tensor attention(const torch::Tensor& qkv, std::int64_t heads, HeadOrder order) {
  if (heads == 1 && use_kernels(qkv) && qkv.size(1) <= kMaxTokens)
    return fused_wins(qkv) ? fused_attention(qkv) : SingleHeadFunction::apply(qkv);
  const std::int64_t n = qkv.size(0), tokens = qkv.size(1), width = qkv.size(2) / 3;
  // [N,heads,tokens,d] of q, k or v.
  const auto part = [&](std::int64_t i) {
    const std::int64_t d = width / heads;
    const torch::Tensor x = order == HeadOrder::kBlocks
                                ? qkv.view({n, tokens, 3, heads, d}).select(2, i)
                                : qkv.view({n, tokens, heads, 3, d}).select(3, i);
    return x.transpose(1, 2);
  };
  const torch::Tensor out = torch::scaled_dot_product_attention(part(0), part(1), part(2));
  return out.transpose(1, 2).reshape({n, tokens, width});
}

torch::Tensor attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        std::int64_t heads) {
  const auto split_heads = [&](const torch::Tensor& x) {  // to [N,heads,tokens,d], without a copy
    return x.unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
  };
  const torch::Tensor out =
      torch::scaled_dot_product_attention(split_heads(q), split_heads(k), split_heads(v));
  return out.transpose(1, 2).flatten(2);
}

}  // namespace ddpm::ops
