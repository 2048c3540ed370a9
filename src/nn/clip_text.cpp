#include "ddpm/nn/clip_text.h"

#include "ddpm/base/format.h"
#include "ddpm/ops/causal_attention.h"
#include "ddpm/ops/linear.h"

namespace ddpm {
namespace {

torch::Tensor project(Linear& layer, const torch::Tensor& x) {
  return ops::linear(x, layer->weight, layer->bias);
}

torch::Tensor activated(const torch::Tensor& x, ClipActivation activation) {
  switch (activation) {
    case ClipActivation::kQuickGelu:
      return x * torch::sigmoid(1.702 * x);
    case ClipActivation::kGelu:
      return torch::gelu(x);
  }
  return x;
}

std::shared_ptr<LayerImpl> add_table(torch::nn::Module& root, const std::string& path,
                                     std::int64_t rows, std::int64_t width) {
  auto table = std::make_shared<LayerImpl>(Role::kTable, std::vector{rows, width},
                                           std::vector<std::int64_t>{});
  register_at(root, path, table);
  return table;
}

}  // namespace

ClipTextLayerImpl::ClipTextLayerImpl(const ClipTextConfig& config)
    : heads_(config.heads), activation_(config.activation) {
  const std::int64_t width = config.width;
  const auto add = [&](const char* name, std::int64_t in, std::int64_t out) {
    Linear layer(in, out);
    register_at(*this, name, layer.ptr());
    return layer;
  };
  q_ = add("self_attn.q_proj", width, width);
  k_ = add("self_attn.k_proj", width, width);
  v_ = add("self_attn.v_proj", width, width);
  out_ = add("self_attn.out_proj", width, width);
  norm1_ = register_module("layer_norm1", LayerNorm(width));
  fc1_ = add("mlp.fc1", width, config.inner_width);
  fc2_ = add("mlp.fc2", config.inner_width, width);
  norm2_ = register_module("layer_norm2", LayerNorm(width));
}

torch::Tensor ClipTextLayerImpl::forward(const torch::Tensor& tokens) {
  // One matrix product of three times the width is faster than three products.
  const torch::Tensor qkv =
      ops::linear(norm1_(tokens), ops::join({q_->weight, k_->weight, v_->weight}),
                  ops::join({q_->bias, k_->bias, v_->bias}));
  const torch::Tensor x = tokens + project(out_, ops::causal_attention(qkv, heads_));
  return x + project(fc2_, activated(project(fc1_, norm2_(x)), activation_));
}

std::vector<std::vector<torch::Tensor>> ClipTextLayerImpl::joined_parameters() const {
  return {{q_->weight, k_->weight, v_->weight}, {q_->bias, k_->bias, v_->bias}};
}

ClipTextImpl::ClipTextImpl(const ClipTextConfig& config) : config_(config) {
  token_embedding_ = add_table(*this, "embeddings.token_embedding", config.tokens, config.width);
  position_embedding_ =
      add_table(*this, "embeddings.position_embedding", config.positions, config.width);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(config);
    register_at(*this, format_text("encoder.layers.{}", i), layers_.back().ptr());
  }
  final_norm_ = register_module("final_layer_norm", LayerNorm(config.width));
  if (config.projection == 0) return;
  projection_ = std::make_shared<LayerImpl>(
      Role::kWeight, std::vector{config.projection, config.width}, std::vector<std::int64_t>{});
  register_module("text_projection", projection_);
}

std::vector<torch::Tensor> ClipTextImpl::states(const torch::Tensor& ids,
                                                const torch::Tensor& further) {
  torch::NoGradGuard no_grad;
  const std::int64_t known = config_.tokens;
  torch::Tensor tokens = torch::embedding(token_embedding_->weight, ids.clamp_max(known - 1));
  if (further.defined())
    tokens = torch::where(
        (ids >= known).unsqueeze(2),
        torch::embedding(further.to(tokens.options()), (ids - known).clamp_min(0)), tokens);
  std::vector<torch::Tensor> states = {tokens +
                                       position_embedding_->weight.narrow(0, 0, ids.size(1))};
  for (ClipTextLayer& layer : layers_) states.push_back(layer(states.back()));
  return states;
}

torch::Tensor ClipTextImpl::normed(const torch::Tensor& state) {
  torch::NoGradGuard no_grad;
  return final_norm_(state);
}

torch::Tensor ClipTextImpl::pooled(const torch::Tensor& ids, const torch::Tensor& last_state) {
  torch::NoGradGuard no_grad;
  // argmax gives the first of several.
  const torch::Tensor ends =
      (config_.end_token < 0 ? ids : (ids == config_.end_token).to(torch::kInt64)).argmax(1);
  const torch::Tensor rows =
      final_norm_(last_state).index({torch::arange(ids.size(0), ids.options()), ends});
  return projection_ == nullptr ? rows : ops::linear(rows, projection_->weight, torch::Tensor());
}

std::vector<std::vector<torch::Tensor>> ClipTextImpl::joined_parameters() const {
  std::vector<std::vector<torch::Tensor>> lists;
  for (const ClipTextLayer& layer : layers_)
    for (std::vector<torch::Tensor>& list : layer->joined_parameters())
      lists.push_back(std::move(list));
  return lists;
}

torch::Tensor apply_prompt_weights(const torch::Tensor& encoding, const torch::Tensor& weights) {
  const torch::Tensor weighted = encoding * weights.unsqueeze(2).to(encoding.options());
  const auto mean = [](const torch::Tensor& x) { return x.mean({1, 2}, /*keepdim=*/true); };
  return weighted * (mean(encoding) / mean(weighted));
}

}  // namespace ddpm
