#include "ddpm/nn/hifi_gan.h"

#include "ddpm/base/format.h"
#include "ddpm/ops/convolution_1d.h"

namespace ddpm {
namespace {

constexpr std::int64_t kOuterKernel = 7;  // of the first and the last convolution
constexpr double kSlope = 0.1;            // of the leaky ReLUs
constexpr double kLastSlope = 0.01;       // before the last convolution: PyTorch's default

// Convolves without changing the length.
torch::Tensor convolve(Convolution1d& layer, const torch::Tensor& x, std::int64_t dilation = 1) {
  const std::int64_t kernel = layer->weight.size(2);
  return ops::convolution_1d(x, layer->weight, layer->bias,
                             {.padding = dilation * (kernel - 1) / 2, .dilation = dilation});
}

}  // namespace

HifiGanBlockImpl::HifiGanBlockImpl(HifiGanBlockKind kind, std::int64_t channels,
                                   std::int64_t kernel, std::vector<std::int64_t> dilations)
    : dilations_(std::move(dilations)) {
  const auto add = [&](const char* list, std::size_t i) {
    Convolution1d layer(channels, channels, kernel);
    register_at(*this, format_text("{}.{}", list, i), layer.ptr());
    return layer;
  };
  const bool two = kind == HifiGanBlockKind::kTwoConvolutions;
  for (std::size_t i = 0; i < dilations_.size(); ++i)
    dilated_.push_back(add(two ? "convs1" : "convs", i));
  if (!two) return;
  for (std::size_t i = 0; i < dilations_.size(); ++i) plain_.push_back(add("convs2", i));
}

torch::Tensor HifiGanBlockImpl::forward(const torch::Tensor& x) {
  torch::Tensor sum = x;
  for (std::size_t i = 0; i < dilations_.size(); ++i) {
    torch::Tensor h = convolve(dilated_[i], torch::leaky_relu(sum, kSlope), dilations_[i]);
    if (!plain_.empty()) h = convolve(plain_[i], torch::leaky_relu_(h, kSlope));
    sum = h.add_(sum);
  }
  return sum;
}

HifiGanGeneratorImpl::HifiGanGeneratorImpl(const HifiGanConfig& config) {
  std::int64_t channels = config.channels;
  conv_pre_ = register_module("conv_pre", Convolution1d(config.mel.bands, channels, kOuterKernel));
  for (std::size_t i = 0; i < config.upsample_rates.size(); ++i) {
    const std::int64_t rate = config.upsample_rates[i], kernel = config.upsample_kernel_sizes[i];
    Stage stage{.upsample = TransposedConvolution1d(channels, channels / 2, kernel),
                .rate = rate,
                .padding = (kernel - rate) / 2};
    register_at(*this, format_text("ups.{}", i), stage.upsample.ptr());
    channels /= 2;
    for (std::size_t j = 0; j < config.resblock_kernel_sizes.size(); ++j) {
      stage.branches.emplace_back(config.resblock, channels, config.resblock_kernel_sizes[j],
                                  config.resblock_dilation_sizes[j]);
      const std::size_t number = i * config.resblock_kernel_sizes.size() + j;
      register_at(*this, format_text("resblocks.{}", number), stage.branches.back().ptr());
    }
    stages_.push_back(std::move(stage));
  }
  conv_post_ = register_module("conv_post", Convolution1d(channels, 1, kOuterKernel));
}

torch::Tensor HifiGanGeneratorImpl::forward(const torch::Tensor& mel) {
  torch::NoGradGuard no_grad;
  torch::Tensor x = convolve(conv_pre_, ops::to_row(mel.to(conv_pre_->weight.options())));
  for (Stage& stage : stages_) {
    x = ops::transposed_convolution_1d(torch::leaky_relu_(x, kSlope), stage.upsample->weight,
                                       stage.upsample->bias, stage.rate, stage.padding);
    torch::Tensor sum;
    for (HifiGanBlock& branch : stage.branches) {
      const torch::Tensor y = branch(x);
      sum = sum.defined() ? sum.add_(y) : y;
    }
    x = sum.div_(static_cast<double>(stage.branches.size()));
  }
  return convolve(conv_post_, torch::leaky_relu_(x, kLastSlope)).tanh_().flatten(1);
}

}  // namespace ddpm
