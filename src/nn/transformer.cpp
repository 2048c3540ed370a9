#include "ddpm/nn/transformer.h"

#include "ddpm/ops/attention.h"
#include "ddpm/ops/geglu.h"
#include "ddpm/ops/linear.h"

namespace ddpm {
namespace {

constexpr std::int64_t kGrowth = 4;    // the hidden layer has so many times the channels
constexpr double kNormEpsilon = 1e-6;  // whatever the other norms of the network have

Linear without_bias(std::int64_t in, std::int64_t out) {
  return Linear(in, out, Role::kWeight, /*has_bias=*/false);
}

std::shared_ptr<LayerImpl> projection(const TransformerOptions& options, Role role) {
  if (options.linear_projections) return Linear(options.channels, options.channels, role).ptr();
  return Convolution(options.channels, options.channels, 1, role).ptr();
}

}  // namespace

CrossAttentionImpl::CrossAttentionImpl(std::int64_t channels, std::int64_t source_channels,
                                       std::int64_t heads)
    : q(register_module("to_q", without_bias(channels, channels))),
      k(register_module("to_k", without_bias(source_channels, channels))),
      v(register_module("to_v", without_bias(source_channels, channels))),
      heads_(heads),
      out_(channels, channels) {
  register_at(*this, "to_out.0", out_.ptr());
}

torch::Tensor CrossAttentionImpl::attend_to_each_other(const torch::Tensor& tokens,
                                                       const torch::Tensor& residual) {
  const std::vector<torch::Tensor> parts =
      ops::linear(tokens, ops::join({q->weight, k->weight, v->weight}), {}).chunk(3, 2);
  return mix(parts[0], parts[1], parts[2], residual);
}

torch::Tensor CrossAttentionImpl::forward(const torch::Tensor& tokens, const torch::Tensor& source,
                                          const torch::Tensor& residual) {
  const std::vector<torch::Tensor> parts =
      ops::linear(source, ops::join({k->weight, v->weight}), {}).chunk(2, 2);
  return mix(ops::linear(tokens, q->weight, {}), parts[0], parts[1], residual);
}

torch::Tensor CrossAttentionImpl::mix(const torch::Tensor& queries, const torch::Tensor& keys,
                                      const torch::Tensor& values, const torch::Tensor& residual) {
  return ops::linear(ops::attention(queries, keys, values, heads_), out_->weight, out_->bias,
                     residual);
}

// Modules are registered in the order of the original, whose state dict has it too.
TransformerBlockImpl::TransformerBlockImpl(const TransformerOptions& options)
    : cross_only_(options.cross_only) {
  const std::int64_t channels = options.channels, hidden = kGrowth * channels;
  attention1_ = register_module(
      "attn1", CrossAttention(channels, cross_only_ ? options.context : channels, options.heads));
  gated_ = Linear(channels, 2 * hidden);
  out_ = Linear(hidden, channels);
  register_at(*this, "ff.net.0.proj", gated_.ptr());
  register_at(*this, "ff.net.2", out_.ptr());
  attention2_ = register_module("attn2", CrossAttention(channels, options.context, options.heads));
  norm1_ = register_module("norm1", LayerNorm(channels));
  norm2_ = register_module("norm2", LayerNorm(channels));
  norm3_ = register_module("norm3", LayerNorm(channels));
}

torch::Tensor TransformerBlockImpl::forward(const torch::Tensor& tokens,
                                            const torch::Tensor& context) {
  const torch::Tensor normed = norm1_(tokens);
  torch::Tensor x = cross_only_ ? attention1_(normed, context, tokens)
                                : attention1_->attend_to_each_other(normed, tokens);
  x = attention2_(norm2_(x), context, x);
  const torch::Tensor hidden = ops::geglu(ops::linear(norm3_(x), gated_->weight, gated_->bias));
  return ops::linear(hidden, out_->weight, out_->bias, x);
}

std::vector<std::vector<torch::Tensor>> TransformerBlockImpl::joined_parameters() const {
  const torch::Tensor &q = attention1_->q->weight, &k = attention1_->k->weight,
                      &v = attention1_->v->weight;
  return {cross_only_ ? std::vector{k, v} : std::vector{q, k, v},
          {attention2_->k->weight, attention2_->v->weight}};
}

SpatialTransformerImpl::SpatialTransformerImpl(const TransformerOptions& options)
    : norm_(register_module("norm", Norm(options.channels, options.groups, kNormEpsilon))) {
  in_ = register_module("proj_in", projection(options, Role::kWeight)).get();
  for (std::int64_t i = 0; i < options.depth; ++i) {
    blocks_.emplace_back(options);
    register_at(*this, "transformer_blocks." + std::to_string(i), blocks_.back().ptr());
  }
  out_ = register_module("proj_out", projection(options, Role::kLast)).get();
}

torch::Tensor SpatialTransformerImpl::forward(const torch::Tensor& x,
                                              const torch::Tensor& context) {
  const std::int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const ops::GroupNormOutput in = norm_->forward({.x = x}, /*silu=*/false);
  const torch::Tensor projected = ops::pointwise_convolution(in.y, {}, in_->weight, in_->bias);
  // [N,C,H,W] -> [N,H*W,C] is a view of channels_last memory, so nothing is copied.
  torch::Tensor tokens = projected.permute({0, 2, 3, 1}).reshape({n, h * w, c});
  for (TransformerBlock& block : blocks_) tokens = block(tokens, context);
  const torch::Tensor image = tokens.reshape({n, h, w, c}).permute({0, 3, 1, 2});
  return ops::pointwise_convolution(image, {}, out_->weight, out_->bias, {.value = in.x});
}

std::vector<std::vector<torch::Tensor>> SpatialTransformerImpl::joined_parameters() const {
  std::vector<std::vector<torch::Tensor>> lists;
  for (const TransformerBlock& block : blocks_)
    for (std::vector<torch::Tensor>& list : block->joined_parameters())
      lists.push_back(std::move(list));
  return lists;
}

}  // namespace ddpm
