#include "ddpm/nn/blocks.h"

#include "ddpm/ops/attention.h"
#include "ddpm/ops/convolution.h"
#include "ddpm/ops/dropout.h"
#include "ddpm/ops/group_norm.h"
#include "ddpm/ops/linear.h"
#include "ddpm/ops/resample.h"

namespace ddpm {
namespace {

torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
}

// Each layer draws its own numbers.
std::optional<ops::Draw> draw_of_layer(const std::optional<ops::Draw>& draw, int layer) {
  if (!draw) return std::nullopt;
  return draw->with_stream(
      static_cast<RandomStream>(static_cast<int>(RandomStream::kDropout) + layer));
}

torch::Tensor resampled(const torch::Tensor& x, Resample resample) {
  if (resample == Resample::kHalve) return torch::avg_pool2d(x, 2);
  if (resample == Resample::kDouble)
    return torch::upsample_nearest2d(x, std::vector<std::int64_t>{2 * x.size(2), 2 * x.size(3)});
  return x;
}

torch::Tensor divided(const torch::Tensor& x, double scale) { return scale == 1 ? x : x / scale; }

}  // namespace

void register_at(torch::nn::Module& root, const std::string& path,
                 std::shared_ptr<torch::nn::Module> child) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) {
    root.register_module(path, std::move(child));
    return;
  }
  const std::string head = path.substr(0, dot);
  const auto children = root.named_children();
  const auto* found = children.find(head);
  const auto next =
      found != nullptr ? *found : root.register_module(head, std::make_shared<torch::nn::Module>());
  register_at(*next, path.substr(dot + 1), std::move(child));
}

NormImpl::NormImpl(std::int64_t channels, std::int64_t groups, double epsilon)
    : weight(register_parameter("weight", torch::ones(channels))),
      bias(register_parameter("bias", torch::zeros(channels))),
      groups_(groups),
      epsilon_(epsilon) {}

ops::GroupNormOutput NormImpl::forward(const ops::GroupNormInput& input, bool silu, double dropout,
                                       const std::optional<ops::Draw>& draw) {
  return ops::group_norm(input, weight, bias,
                         {.groups = groups_,
                          .epsilon = epsilon_,
                          .silu = silu,
                          .dropout = dropout,
                          .draw = dropout > 0 ? draw : std::nullopt});
}

ResBlockImpl::ResBlockImpl(const ResBlockOptions& o, const ResBlockNames& names)
    : activation_(o.activation),
      dropout_(o.dropout),
      dropout_layer_(o.dropout_layer),
      scale_shift_(o.scale_shift),
      output_scale_(o.output_scale),
      resample_(o.resample),
      norm1_(register_module("norm1", Norm(o.in_channels, o.groups, o.epsilon))),
      norm2_(nullptr),
      conv1_(register_module("conv1", conv3x3(o.in_channels, o.out_channels))) {
  time_ = register_module(
      names.time, torch::nn::Linear(o.time_channels, (o.scale_shift ? 2 : 1) * o.out_channels));
  norm2_ = register_module("norm2", Norm(o.out_channels, o.groups, o.epsilon));
  conv2_ = register_module("conv2", conv3x3(o.out_channels, o.out_channels));
  if (o.in_channels != o.out_channels)
    shortcut_ = register_module(names.shortcut, torch::nn::Conv2d(torch::nn::Conv2dOptions(
                                                    o.in_channels, o.out_channels, 1)));
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& shift,
                                    const std::optional<ops::Draw>& dropout) {
  ops::GroupNormOutput in = normed(norm1_, {.x = x, .skip = skip});
  if (resample_ != Resample::kNone) {
    in.y = resampled(in.y, resample_);
    in.x = resampled(in.x, resample_);
  }
  torch::Tensor h;
  if (scale_shift_) {
    h = modulate(ops::convolution(in.y, conv1_->weight, conv1_->bias), shift, dropout);
  } else {
    // The convolution's bias and the time enter together, inside the second norm.
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

AttentionBlockImpl::AttentionBlockImpl(const AttentionOptions& options, const AttentionNames& names)
    : options_(options) {
  if (options.normed)
    norm_ = register_module(names.norm, Norm(options.channels, options.groups, options.epsilon));
  const auto linear = [&](std::int64_t out) { return torch::nn::Linear(options.channels, out); };
  if (options.fused) {
    qkv_ = register_module(names.qkv, linear(3 * options.channels));
  } else {
    q_ = register_module(names.q, linear(options.channels));
    k_ = register_module(names.k, linear(options.channels));
    v_ = register_module(names.v, linear(options.channels));
  }
  out_ = linear(options.channels);
  register_at(*this, names.out, out_.ptr());
}

std::vector<std::vector<torch::Tensor>> AttentionBlockImpl::joined_parameters() const {
  if (options_.fused) return {};
  return {{q_->weight, k_->weight, v_->weight}, {q_->bias, k_->bias, v_->bias}};
}

torch::Tensor AttentionBlockImpl::project(const torch::Tensor& tokens) {
  if (options_.fused) return ops::linear(tokens, qkv_->weight, qkv_->bias);
  // One product of three times the width is faster than three.
  return ops::linear(tokens, ops::join({q_->weight, k_->weight, v_->weight}),
                     ops::join({q_->bias, k_->bias, v_->bias}));
}

torch::Tensor AttentionBlockImpl::forward(const torch::Tensor& x) {
  const std::int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  ops::GroupNormOutput in{.y = x, .x = x, .skip = {}};
  if (options_.normed && !options_.fused) in = norm_->forward({.x = x}, /*silu=*/false);
  // [N,C,H,W] -> [N, H*W, C]; a free view of channels_last memory.
  const torch::Tensor tokens = in.y.permute({0, 2, 3, 1}).reshape({n, h * w, c});
  const torch::Tensor mixed =
      ops::attention(project(tokens), options_.heads,
                     options_.fused ? ops::HeadOrder::kInterleaved : ops::HeadOrder::kBlocks);
  const torch::Tensor image = mixed.view({n, h, w, c}).permute({0, 3, 1, 2});
  return divided(ops::pointwise_convolution(image, {}, out_->weight, out_->bias, {.value = in.x}),
                 options_.output_scale);
}

DownsampleImpl::DownsampleImpl(std::int64_t channels, DownsamplePadding padding)
    : padding_(padding), conv_(register_module("conv", conv3x3(channels, channels))) {}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x) {
  return ops::downsample_convolution(x, conv_->weight, conv_->bias, padding_);
}

UpsampleImpl::UpsampleImpl(std::int64_t channels, bool transposed) {
  if (transposed)
    transposed_ = register_module(
        "conv", torch::nn::ConvTranspose2d(
                    torch::nn::ConvTranspose2dOptions(channels, channels, 4).stride(2).padding(1)));
  else
    conv_ = register_module("conv", conv3x3(channels, channels));
}

torch::Tensor UpsampleImpl::forward(const torch::Tensor& x) {
  if (!transposed_.is_empty())
    return ops::transposed_convolution(x, transposed_->weight, transposed_->bias);
  return ops::upsample_convolution(x, conv_->weight, conv_->bias);
}

}  // namespace ddpm
