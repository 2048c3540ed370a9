#include "ddpm/nn/unet.h"

#include <stdexcept>

#include "ddpm/device/side_stream.h"
#include "ddpm/nn/activation.h"
#include "ddpm/ops/image_convolution.h"

namespace ddpm {
namespace {

torch::Tensor pop(std::vector<torch::Tensor>& stack) {
  torch::Tensor top = std::move(stack.back());
  stack.pop_back();
  return top;
}

ResBlockOptions::Change change_of(const BlockPlan& block) {
  if (block.resampling == Resampling::kNone) return ResBlockOptions::Change::kNone;
  return block.way == Way::kDown ? ResBlockOptions::Change::kHalve
                                 : ResBlockOptions::Change::kDouble;
}

}  // namespace

torch::Tensor Attention::operator()(const torch::Tensor& x, const torch::Tensor& context) {
  if (!transformer.is_empty()) return transformer(x, context);
  return block.is_empty() ? x : block(x);
}

torch::Tensor DownBlock::operator()(const torch::Tensor& x, const torch::Tensor& shift,
                                    const Condition& condition) {
  return attention(res(x, torch::Tensor(), shift, condition.dropout), condition.context);
}

torch::Tensor UpBlock::operator()(const torch::Tensor& x, const torch::Tensor& skip,
                                  const torch::Tensor& shift, const Condition& condition) {
  return attention(res(x, skip, shift, condition.dropout), condition.context);
}

torch::Tensor MiddleBlock::operator()(const torch::Tensor& x, const torch::Tensor& shift1,
                                      const torch::Tensor& shift2, const Condition& condition) {
  const torch::Tensor h = res1(x, torch::Tensor(), shift1, condition.dropout);
  return res2(attention(h, condition.context), torch::Tensor(), shift2, condition.dropout);
}

UNetImpl::UNetImpl(const ModelConfig& config, std::int64_t image_channels)
    : config_(config),
      plan_(unet_plan(config, image_channels)),
      names_(UNetNames::of(config.names)) {
  conv_in_ = register_module(names_.conv_in, Convolution(plan_.in, plan_.first, 3));
  time_features_ = register_module(names_.time_features, TimeFeatures(config));
  time_embedding_ = register_module(names_.time_embedding,
                                    TimeEmbedding(plan_.time_features, plan_.time, names_));
  if (config.class_embedding != ClassEmbeddingKind::kNone)
    class_embedding_ = register_module(names_.class_embedding,
                                       ClassEmbedding(config, plan_, time_features_, names_));
  if (plan_.vector > 0) {
    vector_embedding_ = TimeEmbedding(plan_.vector, plan_.time, names_);
    register_at(*this, names_.vector_of(config), vector_embedding_.ptr());
  }
  down_.resize(static_cast<std::size_t>(plan_.levels));
  up_.resize(static_cast<std::size_t>(plan_.levels));
  const std::vector<BlockNames> names = block_names(plan_, names_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const BlockPlan& block = plan_.blocks[i];
    switch (block.way) {
      case Way::kDown:
        add_down(block, names[i]);
        break;
      case Way::kMiddle:
        add_middle(block, names[i]);
        break;
      case Way::kUp:
        add_up(block, names[i]);
        break;
    }
  }
  norm_out_ =
      register_module(names_.norm_out, Norm(plan_.last, config.final_groups, config.norm_epsilon));
  conv_out_ = register_module(names_.conv_out, Convolution(plan_.last, plan_.out, 3, Role::kLast));
}

void UNetImpl::add_down(const BlockPlan& block, const BlockNames& names) {
  DownLevel& level = down_[static_cast<std::size_t>(block.level)];
  switch (block.resampling) {
    case Resampling::kNone: {
      DownBlock down{.res = add_res(block, names.block)};
      if (block.heads > 0) down.attention = add_attention(block, names.attention);
      level.blocks.push_back(std::move(down));
      return;
    }
    case Resampling::kResidual:
      level.halve = add_res(block, names.block);
      return;
    case Resampling::kConvolution:
    case Resampling::kTransposed:  // used on the way up only
      level.downsample = Downsample(block.in, config_.downsample_padding);
      register_at(*this, names.block, level.downsample.ptr());
      return;
  }
}

void UNetImpl::add_middle(const BlockPlan& block, const BlockNames& names) {
  (block.index == 0 ? middle_.res1 : middle_.res2) = add_res(block, names.block);
  if (block.heads > 0) middle_.attention = add_attention(block, names.attention);
}

void UNetImpl::add_up(const BlockPlan& block, const BlockNames& names) {
  UpLevel& level = up_[static_cast<std::size_t>(plan_.levels - 1 - block.level)];
  switch (block.resampling) {
    case Resampling::kNone: {
      UpBlock up{.res = add_res(block, names.block)};
      if (block.heads > 0) up.attention = add_attention(block, names.attention);
      level.blocks.push_back(std::move(up));
      return;
    }
    case Resampling::kResidual:
      level.twice = add_res(block, names.block);
      return;
    case Resampling::kConvolution:
    case Resampling::kTransposed:
      level.upsample = Upsample(block.in, block.resampling == Resampling::kTransposed);
      register_at(*this, names.block, level.upsample.ptr());
      return;
  }
}

ResBlock UNetImpl::add_res(const BlockPlan& block, const std::string& path) {
  ResBlock res(ResBlockOptions{.in_channels = block.in + block.skip,
                               .out_channels = block.out,
                               .time_channels = plan_.time,
                               .groups = config_.groups,
                               .epsilon = config_.norm_epsilon,
                               .activation = config_.activation,
                               .dropout = config_.dropout,
                               .dropout_layer = static_cast<int>(res_blocks_.size()),
                               .scale_shift = config_.time_scale_shift,
                               .output_scale = block.way == Way::kMiddle ? config_.middle_scale : 1,
                               .change = change_of(block)},
               names_.res);
  register_at(*this, path, res.ptr());
  res_blocks_.push_back(res);
  return res;
}

Attention UNetImpl::add_attention(const BlockPlan& block, const std::string& path) {
  const bool middle = block.way == Way::kMiddle;
  Attention attention;
  if (block.depth > 0) {
    attention.transformer =
        SpatialTransformer(TransformerOptions{.channels = block.out,
                                              .context = plan_.context,
                                              .heads = block.heads,
                                              .depth = block.depth,
                                              .groups = config_.groups,
                                              .linear_projections = config_.linear_projections,
                                              .cross_only = block.cross_only});
    register_at(*this, path, attention.transformer.ptr());
    attentions_.push_back(attention);
    return attention;
  }
  attention.block = AttentionBlock(
      AttentionOptions{
          .channels = block.out,
          .heads = block.heads,
          .groups = middle && config_.middle_groups > 0 ? config_.middle_groups : config_.groups,
          .epsilon = config_.norm_epsilon,
          .fused = config_.attention_kind == AttentionKind::kFused,
          .normed = !middle || config_.middle_attention == MiddleAttention::kWithNorm,
          .output_scale = middle ? config_.middle_scale : 1},
      names_.attention_parts);
  register_at(*this, path, attention.block.ptr());
  attentions_.push_back(attention);
  return attention;
}

torch::Tensor UNetImpl::embed(const torch::Tensor& t, const Condition& condition) {
  torch::Tensor sum =
      time_embedding_(time_features_(config_.time_scale == 1 ? t : t * config_.time_scale));
  if (!class_embedding_.is_empty())
    sum = sum + class_embedding_(condition.labels).to(sum.scalar_type());
  if (!vector_embedding_.is_empty()) sum = sum + vector_embedding_(condition.vector);
  return sum;
}

std::vector<torch::Tensor> UNetImpl::shifts_of(const torch::Tensor& t, const Condition& condition) {
  std::vector<torch::Tensor> shifts;
  const auto project = [&] {
    // Every block would activate the embedding before its projection, so it is done once here.
    const torch::Tensor activated = activate(embed(t, condition), config_.activation);
    shifts = TimeProjections(res_blocks_).apply(activated);
  };
  // The first convolution does not need them, so they can be computed beside it. Gradients,
  // however, must stay on one stream.
  if (torch::GradMode::is_enabled()) {
    project();
    return shifts;
  }
  std::vector<torch::Tensor> inputs = {t};
  for (const torch::Tensor& input : {condition.labels, condition.vector})
    if (input.defined()) inputs.push_back(input);
  run_aside(inputs, project);
  return shifts;
}

Condition UNetImpl::checked(const Condition& condition) const {
  Condition result = condition;
  if (plan_.vector > 0 && !condition.vector.defined())
    throw std::invalid_argument("this network needs a vector");
  if (plan_.context == 0) return result;
  if (!condition.context.defined()) throw std::invalid_argument("this network needs a context");
  result.context = condition.context.to(conv_in_->weight.scalar_type());
  return result;
}

torch::Tensor UNetImpl::forward(const torch::Tensor& x, const torch::Tensor& t,
                                const Condition& given) {
  const Condition condition = checked(given);
  const std::optional<ops::Draw>& dropout = condition.dropout;
  const std::vector<torch::Tensor> shifts = shifts_of(t, condition);
  const torch::Tensor input = given.image.defined() ? torch::cat({x, given.image.to(x)}, 1) : x;
  torch::Tensor h = ops::convolution_from_image(config_.center_input ? 2 * input - 1 : input,
                                                conv_in_->weight, conv_in_->bias);

  join_side_stream(x.device());
  auto shift = shifts.begin();
  std::vector<torch::Tensor> skips = {h};
  for (DownLevel& level : down_) {
    for (DownBlock& block : level.blocks) skips.push_back(h = block(h, *shift++, condition));
    if (!level.downsample.is_empty()) skips.push_back(h = level.downsample(h));
    if (!level.halve.is_empty())
      skips.push_back(h = level.halve(h, torch::Tensor(), *shift++, dropout));
  }
  if (!middle_.res1.is_empty()) {
    const torch::Tensor &shift1 = *shift++, &shift2 = *shift++;
    h = middle_(h, shift1, shift2, condition);
  }
  for (UpLevel& level : up_) {
    for (UpBlock& block : level.blocks) h = block(h, pop(skips), *shift++, condition);
    if (!level.upsample.is_empty())  // to the size of the features that join next
      h = level.upsample(h, skips.back().size(2), skips.back().size(3));
    if (!level.twice.is_empty()) h = level.twice(h, torch::Tensor(), *shift++, dropout);
  }
  h = norm_out_->forward({.x = h}, /*silu=*/true).y;
  h = ops::convolution_to_image(h, conv_out_->weight, conv_out_->bias).to(x.scalar_type());
  // With Fourier features the result so far is the score times the noise level, which is t.
  const bool fourier = time_features_->kind() == TimeEmbeddingKind::kFourier;
  return fourier ? h / t.to(h.scalar_type()).view({-1, 1, 1, 1}) : h;
}

std::vector<std::vector<torch::Tensor>> UNetImpl::joined_parameters() const {
  const TimeProjections times(res_blocks_);
  std::vector<std::vector<torch::Tensor>> lists = {times.weights, times.biases,
                                                   times.convolution_biases};
  for (const Attention& attention : attentions_)
    for (std::vector<torch::Tensor>& list : attention.block.is_empty()
                                                ? attention.transformer->joined_parameters()
                                                : attention.block->joined_parameters())
      lists.push_back(std::move(list));
  return lists;
}

}  // namespace ddpm
