#include "ddpm/nn/embeddings.h"

#include <numbers>
#include <stdexcept>

#include "ddpm/config/widths.h"
#include "ddpm/ops/linear.h"
#include "ddpm/ops/timestep_embedding.h"

namespace ddpm {

TimeFeaturesImpl::TimeFeaturesImpl(const ModelConfig& config)
    : kind_(config.time_embedding),
      base_width_(config.base_width),
      cosine_first_(config.time_order == TimeOrder::kCosSin),
      half_minus_one_(config.time_frequencies == TimeFrequencies::kHalfMinusOne) {
  if (kind_ == TimeEmbeddingKind::kLearned)
    weight = register_parameter("weight", torch::zeros({config.time_table, base_width_}));
  else if (kind_ == TimeEmbeddingKind::kFourier)
    weight = register_parameter("weight", torch::zeros({base_width_}));
}

std::int64_t TimeFeaturesImpl::width() const {
  return kind_ == TimeEmbeddingKind::kFourier ? 2 * base_width_ : base_width_;
}

torch::Tensor TimeFeaturesImpl::forward(const torch::Tensor& t) {
  if (kind_ == TimeEmbeddingKind::kLearned) return weight.index_select(0, t.to(torch::kInt64));
  if (kind_ == TimeEmbeddingKind::kSinusoidal)
    return ops::timestep_embedding(
        t,
        {.width = base_width_, .cosine_first = cosine_first_, .half_minus_one = half_minus_one_});
  // The frequencies are not trained. Thousands of radians: the order of the products matters.
  const auto dtype = t.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const torch::Tensor frequencies = weight.detach().to(dtype).unsqueeze(0);
  const torch::Tensor angles = t.to(dtype).log().unsqueeze(1) * frequencies * 2 * std::numbers::pi;
  return torch::cat({angles.sin(), angles.cos()}, 1);
}

TimeEmbeddingImpl::TimeEmbeddingImpl(std::int64_t width, std::int64_t channels,
                                     const UNetNames& names)
    : linear1_(register_module(names.time_linear1, torch::nn::Linear(width, channels))),
      linear2_(register_module(names.time_linear2, torch::nn::Linear(channels, channels))) {}

torch::Tensor TimeEmbeddingImpl::forward(const torch::Tensor& features) {
  const torch::Tensor h = features.to(linear1_->weight.scalar_type());
  return ops::linear(torch::silu(ops::linear(h, linear1_->weight, linear1_->bias)),
                     linear2_->weight, linear2_->bias);
}

ClassEmbeddingImpl::ClassEmbeddingImpl(const ModelConfig& config, TimeFeatures features,
                                       const UNetNames& names)
    : features_(std::move(features)), kind_(config.class_embedding) {
  if (kind_ == ClassEmbeddingKind::kTable)
    weight = register_parameter("weight", torch::zeros({config.classes, time_width(config)}));
  if (kind_ != ClassEmbeddingKind::kTimestep) return;
  // Its layers are children of this module, not one below.
  layers_ = TimeEmbedding(features_->width(), time_width(config), names);
  for (const auto& child : layers_->named_children()) register_module(child.key(), child.value());
}

torch::Tensor ClassEmbeddingImpl::forward(const torch::Tensor& labels) {
  if (!labels.defined()) throw std::invalid_argument("this network needs class labels");
  if (kind_ == ClassEmbeddingKind::kTable) return weight.index_select(0, labels);
  return kind_ == ClassEmbeddingKind::kTimestep ? layers_(features_(labels)) : labels;
}

torch::Tensor zero_labels(const ModelConfig& config, std::int64_t count, torch::Device device) {
  if (config.class_embedding == ClassEmbeddingKind::kNone) return {};
  if (config.class_embedding == ClassEmbeddingKind::kIdentity)
    return torch::zeros({count, time_width(config)}, torch::TensorOptions().device(device));
  return torch::zeros({count}, torch::TensorOptions().dtype(torch::kInt64).device(device));
}

}  // namespace ddpm
