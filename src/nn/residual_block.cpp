#include "ddpm/nn/residual_block.h"

#include "ddpm/nn/activation.h"
#include "ddpm/ops/convolution.h"
#include "ddpm/ops/dropout.h"
#include "ddpm/ops/linear.h"

namespace ddpm {
namespace {

using Change = ResBlockOptions::Change;

// Each layer draws different random numbers.
std::optional<ops::Draw> draw_of_layer(const std::optional<ops::Draw>& draw, int layer) {
  if (!draw) return std::nullopt;
  return draw->with_stream(
      static_cast<RandomStream>(static_cast<int>(RandomStream::kDropout) + layer));
}

torch::Tensor resampled(const torch::Tensor& x, Change change) {
  switch (change) {
    case Change::kNone:
      return x;
    case Change::kHalve:
      return torch::avg_pool2d(x, 2);
    case Change::kDouble:
      return torch::upsample_nearest2d(x, std::vector<std::int64_t>{2 * x.size(2), 2 * x.size(3)});
  }
  return x;
}

torch::Tensor divided(const torch::Tensor& x, double scale) { return scale == 1 ? x : x / scale; }

}  // namespace

ResBlockImpl::ResBlockImpl(const ResBlockOptions& o, const ResBlockNames& names)
    : activation_(o.activation),
      dropout_(o.dropout),
      dropout_layer_(o.dropout_layer),
      scale_shift_(o.scale_shift),
      output_scale_(o.output_scale),
      change_(o.change) {
  norm1_ = register_module("norm1", Norm(o.in_channels, o.groups, o.epsilon));
  conv1_ = register_module("conv1", Convolution(o.in_channels, o.out_channels, 3));
  if (o.time_channels > 0)
    time_ = register_module(names.time,
                            Linear(o.time_channels, (o.scale_shift ? 2 : 1) * o.out_channels));
  norm2_ = register_module("norm2", Norm(o.out_channels, o.groups, o.epsilon));
  conv2_ = register_module("conv2", Convolution(o.out_channels, o.out_channels, 3, Role::kLast));
  if (o.in_channels != o.out_channels)
    shortcut_ = register_module(names.shortcut, Convolution(o.in_channels, o.out_channels, 1));
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& shift,
                                    const std::optional<ops::Draw>& dropout) {
  ops::GroupNormOutput in = normed(norm1_, {.x = x, .skip = skip});
  if (change_ != Change::kNone) {
    in.y = resampled(in.y, change_);
    in.x = resampled(in.x, change_);
  }
  torch::Tensor h;
  if (time_.is_empty()) {
    h = normed(norm2_, {.x = ops::convolution(in.y, conv1_->weight, conv1_->bias)}, dropout).y;
  } else if (scale_shift_) {
    h = modulate(ops::convolution(in.y, conv1_->weight, conv1_->bias), shift, dropout);
  } else {
    // The second norm adds the convolution's bias and the time in one step.
    h = normed(norm2_, {.x = ops::convolution(in.y, conv1_->weight), .shift = shift}, dropout).y;
  }
  if (shortcut_.is_empty())
    return divided(ops::convolution(h, conv2_->weight, conv2_->bias, {}, in.x), output_scale_);
  return divided(
      ops::convolution_with_shortcut(h, conv2_->weight, conv2_->bias,
                                     {in.x, in.skip, shortcut_->weight, shortcut_->bias}),
      output_scale_);
}

ops::GroupNormOutput ResBlockImpl::normed(Norm& norm, const ops::GroupNormInput& input,
                                          const std::optional<ops::Draw>& dropout) {
  const std::optional<ops::Draw> draw = draw_of_layer(dropout, dropout_layer_);
  if (activation_ == Activation::kSilu) return norm->forward(input, /*silu=*/true, dropout_, draw);
  ops::GroupNormOutput out = norm->forward(input, /*silu=*/false);
  out.y = activate(out.y, activation_);
  if (draw && dropout_ > 0) out.y = ops::dropout(out.y, dropout_, *draw);
  return out;
}

torch::Tensor ResBlockImpl::modulate(const torch::Tensor& h, const torch::Tensor& scale_and_shift,
                                     const std::optional<ops::Draw>& dropout) {
  const std::vector<torch::Tensor> parts = scale_and_shift.view({h.size(0), -1, 1, 1}).chunk(2, 1);
  const torch::Tensor normed = norm2_->forward({.x = h}, /*silu=*/false).y;
  const torch::Tensor y = activate(normed * (1 + parts[0]) + parts[1], activation_);
  return dropout && dropout_ > 0
             ? ops::dropout(y, dropout_, *draw_of_layer(dropout, dropout_layer_))
             : y;
}

TimeProjections::TimeProjections(const std::vector<ResBlock>& blocks) {
  for (const ResBlock& block : blocks) {
    weights.push_back(block->time_->weight);
    biases.push_back(block->time_->bias);
    if (!block->scale_shift_) convolution_biases.push_back(block->conv1_->bias);
    widths.push_back(block->time_->bias.size(0));
  }
}

std::vector<torch::Tensor> TimeProjections::apply(const torch::Tensor& activated_time) const {
  torch::Tensor bias = ops::join(biases);
  if (!convolution_biases.empty()) bias = bias + ops::join(convolution_biases);
  return ops::linear(activated_time, ops::join(weights), bias).split_with_sizes(widths, 1);
}

}  // namespace ddpm
