#include "ddpm/nn/blocks.h"

#include "ddpm/ops/attention.h"
#include "ddpm/ops/dropout.h"
#include "ddpm/ops/group_norm.h"
#include "ddpm/ops/timestep_embedding.h"

namespace ddpm {
namespace {

// torch::nn::Linear multiplies and adds in two operators where x has more than two dimensions.
torch::Tensor project(const torch::nn::Linear& layer, const torch::Tensor& x) {
  return torch::linear(x, layer->weight, layer->bias);
}

torch::nn::Conv2d conv3x3(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
}

RandomKey layer_key(const RandomKey& key, int layer) {
  return key.with_stream(
      static_cast<RandomStream>(static_cast<int>(RandomStream::kDropout) + layer));
}

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

torch::Tensor NormImpl::forward(const torch::Tensor& x, bool silu) {
  return ops::group_norm(x, weight, bias, {.groups = groups_, .epsilon = epsilon_, .silu = silu});
}

TimeEmbeddingImpl::TimeEmbeddingImpl(std::int64_t width, bool cosine_first, bool half_minus_one,
                                     const UNetNames& names)
    : width_(width),
      cosine_first_(cosine_first),
      half_minus_one_(half_minus_one),
      linear1_(register_module(names.time_linear1, torch::nn::Linear(width, 4 * width))),
      linear2_(register_module(names.time_linear2, torch::nn::Linear(4 * width, 4 * width))) {}

torch::Tensor TimeEmbeddingImpl::forward(const torch::Tensor& t) {
  const torch::Tensor sinusoid = ops::timestep_embedding(
      t, {.width = width_, .cosine_first = cosine_first_, .half_minus_one = half_minus_one_});
  return linear2_(torch::silu(linear1_(sinusoid.to(linear1_->weight.scalar_type()))));
}

ResBlockImpl::ResBlockImpl(const ResBlockOptions& o, const ResBlockNames& names)
    : dropout_(o.dropout),
      dropout_layer_(o.dropout_layer),
      norm1_(register_module("norm1", Norm(o.in_channels, o.groups, o.epsilon))),
      norm2_(nullptr),
      conv1_(register_module("conv1", conv3x3(o.in_channels, o.out_channels))) {
  time_ = register_module(names.time, torch::nn::Linear(o.time_channels, o.out_channels));
  norm2_ = register_module("norm2", Norm(o.out_channels, o.groups, o.epsilon));
  conv2_ = register_module("conv2", conv3x3(o.out_channels, o.out_channels));
  if (o.in_channels != o.out_channels)
    shortcut_ = register_module(names.shortcut, torch::nn::Conv2d(torch::nn::Conv2dOptions(
                                                    o.in_channels, o.out_channels, 1)));
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& activated_time,
                                    const std::optional<RandomKey>& dropout) {
  torch::Tensor h = conv1_(norm1_(x, /*silu=*/true));
  h = h + time_(activated_time).unsqueeze(2).unsqueeze(3);
  h = norm2_(h, /*silu=*/true);
  if (dropout) h = ops::dropout(h, dropout_, layer_key(*dropout, dropout_layer_));
  return (shortcut_.is_empty() ? x : shortcut_(x)) + conv2_(h);
}

AttentionBlockImpl::AttentionBlockImpl(const AttentionOptions& options, const AttentionNames& names)
    : options_(options),
      norm_(register_module(names.norm, Norm(options.channels, options.groups, options.epsilon))) {
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

torch::Tensor AttentionBlockImpl::forward(const torch::Tensor& x) {
  const std::int64_t n = x.size(0);
  const std::int64_t c = x.size(1);
  // [N,C,H,W] -> [N, H*W, C]; a free view of channels_last memory.
  const auto tokens = [&](const torch::Tensor& y) {
    return y.permute({0, 2, 3, 1}).reshape({n, -1, c});
  };
  torch::Tensor q, k, v;
  if (options_.fused) {
    const torch::Tensor heads =
        project(qkv_, tokens(x)).view({n, -1, options_.heads, 3, c / options_.heads});
    const auto part = [&](std::int64_t i) { return heads.select(3, i).reshape({n, -1, c}); };
    q = part(0), k = part(1), v = part(2);
  } else {
    const torch::Tensor h = tokens(norm_(x, /*silu=*/false));
    q = project(q_, h), k = project(k_, h), v = project(v_, h);
  }
  const torch::Tensor out = project(out_, ops::attention(q, k, v, options_.heads));
  return x + out.view({n, x.size(2), x.size(3), c}).permute({0, 3, 1, 2});
}

DownsampleImpl::DownsampleImpl(std::int64_t channels, bool asymmetric) : asymmetric_(asymmetric) {
  const auto options =
      torch::nn::Conv2dOptions(channels, channels, 3).stride(2).padding(asymmetric ? 0 : 1);
  conv_ = register_module("conv", torch::nn::Conv2d(options));
}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x) {
  return conv_(asymmetric_ ? torch::constant_pad_nd(x, {0, 1, 0, 1}) : x);
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
  if (!transposed_.is_empty()) return transposed_(x);
  return conv_(torch::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2}));
}

}  // namespace ddpm
