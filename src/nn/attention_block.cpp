#include "ddpm/nn/attention_block.h"

#include "ddpm/ops/attention.h"
#include "ddpm/ops/linear.h"

namespace ddpm {

AttentionBlockImpl::AttentionBlockImpl(const AttentionOptions& options, const AttentionNames& names)
    : options_(options) {
  if (options.normed)
    norm_ = register_module(names.norm, Norm(options.channels, options.groups, options.epsilon));
  const auto linear = [&](std::int64_t out) { return Linear(options.channels, out); };
  if (options.fused) {
    qkv_ = register_module(names.qkv, linear(3 * options.channels));
  } else {
    q_ = register_module(names.q, linear(options.channels));
    k_ = register_module(names.k, linear(options.channels));
    v_ = register_module(names.v, linear(options.channels));
  }
  out_ = Linear(options.channels, options.channels, Role::kLast);
  register_at(*this, names.out, out_.ptr());
}

std::vector<std::vector<torch::Tensor>> AttentionBlockImpl::joined_parameters() const {
  if (options_.fused) return {};
  return {{q_->weight, k_->weight, v_->weight}, {q_->bias, k_->bias, v_->bias}};
}

torch::Tensor AttentionBlockImpl::project(const torch::Tensor& tokens) {
  if (options_.fused) return ops::linear(tokens, qkv_->weight, qkv_->bias);
  // One matrix product of three times the width is faster than three products.
  return ops::linear(tokens, ops::join({q_->weight, k_->weight, v_->weight}),
                     ops::join({q_->bias, k_->bias, v_->bias}));
}

torch::Tensor AttentionBlockImpl::forward(const torch::Tensor& x) {
  const std::int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  ops::GroupNormOutput in{.y = x, .x = x, .skip = {}};
  if (options_.normed && !options_.fused) in = norm_->forward({.x = x}, /*silu=*/false);
  // [N,C,H,W] -> [N, H*W, C] is a view of channels_last memory, so nothing is copied.
  const torch::Tensor tokens = in.y.permute({0, 2, 3, 1}).reshape({n, h * w, c});
  const torch::Tensor mixed =
      ops::attention(project(tokens), options_.heads,
                     options_.fused ? ops::HeadOrder::kInterleaved : ops::HeadOrder::kBlocks);
  const torch::Tensor image = mixed.view({n, h, w, c}).permute({0, 3, 1, 2});
  const torch::Tensor sum =
      ops::pointwise_convolution(image, {}, out_->weight, out_->bias, {.value = in.x});
  return options_.output_scale == 1 ? sum : sum / options_.output_scale;
}

}  // namespace ddpm
