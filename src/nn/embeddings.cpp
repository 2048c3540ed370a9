#include "ddpm/nn/embeddings.h"

#include <numbers>
#include <stdexcept>

#include "ddpm/ops/linear.h"
#include "ddpm/ops/timestep_embedding.h"

namespace ddpm {
namespace {

Role role_of(TimeEmbeddingKind kind) {
  return kind == TimeEmbeddingKind::kLearned ? Role::kTable : Role::kFrequencies;
}

std::vector<std::int64_t> sizes_of(const ModelConfig& config) {
  switch (config.time_embedding) {
    case TimeEmbeddingKind::kSinusoidal:
      return {};
    case TimeEmbeddingKind::kLearned:
      return {config.time_table, config.base_width};
    case TimeEmbeddingKind::kFourier:
      return {config.base_width};
  }
  return {};
}

std::vector<std::int64_t> table_sizes(const ModelConfig& config, std::int64_t channels) {
  if (config.class_embedding != ClassEmbeddingKind::kTable) return {};
  return {class_rows(config), channels};
}

}  // namespace

TimeFeaturesImpl::TimeFeaturesImpl(const ModelConfig& config)
    : LayerImpl(role_of(config.time_embedding), sizes_of(config), {}),
      kind_(config.time_embedding),
      base_width_(config.base_width),
      cosine_first_(config.time_order == TimeOrder::kCosSin),
      half_minus_one_(config.time_frequencies == TimeFrequencies::kHalfMinusOne) {}

torch::Tensor TimeFeaturesImpl::forward(const torch::Tensor& t) {
  switch (kind_) {
    case TimeEmbeddingKind::kLearned:
      return weight.index_select(0, t.to(torch::kInt64));
    case TimeEmbeddingKind::kSinusoidal:
      return ops::timestep_embedding(
          t,
          {.width = base_width_, .cosine_first = cosine_first_, .half_minus_one = half_minus_one_});
    case TimeEmbeddingKind::kFourier:
      break;
  }
  // The frequencies are not trained. The order of the products matters, because angles reach
  // thousands of radians.
  const auto dtype = t.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const torch::Tensor frequencies = weight.detach().to(dtype).unsqueeze(0);
  const torch::Tensor angles = t.to(dtype).log().unsqueeze(1) * frequencies * 2 * std::numbers::pi;
  return torch::cat({angles.sin(), angles.cos()}, 1);
}

TimeEmbeddingImpl::TimeEmbeddingImpl(std::int64_t width, std::int64_t channels,
                                     const UNetNames& names)
    : linear1_(register_module(names.time_linear1, Linear(width, channels))),
      linear2_(register_module(names.time_linear2, Linear(channels, channels))) {}

torch::Tensor TimeEmbeddingImpl::forward(const torch::Tensor& features) {
  const torch::Tensor h = features.to(linear1_->weight.scalar_type());
  return ops::linear(torch::silu(ops::linear(h, linear1_->weight, linear1_->bias)),
                     linear2_->weight, linear2_->bias);
}

ClassEmbeddingImpl::ClassEmbeddingImpl(const ModelConfig& config, const UNetPlan& plan,
                                       TimeFeatures features, const UNetNames& names)
    : LayerImpl(Role::kTable, table_sizes(config, plan.time), {}),
      features_(std::move(features)),
      kind_(config.class_embedding) {
  if (kind_ != ClassEmbeddingKind::kTimestep) return;
  // Its layers become children of this module itself.
  layers_ = TimeEmbedding(plan.time_features, plan.time, names);
  for (const auto& child : layers_->named_children()) register_module(child.key(), child.value());
}

torch::Tensor ClassEmbeddingImpl::forward(const torch::Tensor& labels) {
  if (!labels.defined()) throw std::invalid_argument("this network needs class labels");
  switch (kind_) {
    case ClassEmbeddingKind::kTable:
      return weight.index_select(0, labels);
    case ClassEmbeddingKind::kTimestep:
      return layers_(features_(labels));
    case ClassEmbeddingKind::kIdentity:
    case ClassEmbeddingKind::kNone:
      break;
  }
  return labels;
}

torch::Tensor zero_labels(const ModelConfig& config, std::int64_t count, torch::Device device) {
  if (config.class_embedding == ClassEmbeddingKind::kNone) return {};
  if (config.class_embedding == ClassEmbeddingKind::kIdentity)
    return torch::zeros({count, time_width(config)}, torch::TensorOptions().device(device));
  return torch::zeros({count}, torch::TensorOptions().dtype(torch::kInt64).device(device));
}

torch::Tensor vector_with_sizes(const ModelConfig& config, const torch::Tensor& numbers,
                                const torch::Tensor& sizes) {
  const torch::Tensor features = ops::timestep_embedding(
      sizes.flatten(),
      {.width = config.vector_time_width,
       .cosine_first = config.time_order == TimeOrder::kCosSin,
       .half_minus_one = config.time_frequencies == TimeFrequencies::kHalfMinusOne});
  return torch::cat({numbers, features.view({sizes.size(0), -1})}, 1);
}

Condition zero_condition(const ModelConfig& config, std::int64_t count, torch::Device device) {
  const auto options = torch::TensorOptions().device(device);
  Condition condition{.labels = zero_labels(config, count, device)};
  if (config.context_width > 0)
    condition.context = torch::zeros({count, kTextTokens, config.context_width}, options);
  if (config.vector_width > 0)
    condition.vector = torch::zeros({count, config.vector_width}, options);
  return condition;
}

}  // namespace ddpm
