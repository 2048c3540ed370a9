#include "ddpm/nn/hifi_gan.h"

#include "ddpm/base/format.h"

namespace ddpm {
namespace {

constexpr std::int64_t kOuterKernel = 7;  // of the first and the last convolution
constexpr double kSlope = 0.1;            // of the leaky ReLUs
constexpr double kLastSlope = 0.01;       // before the last convolution: PyTorch's default

// For a convolution that does not change the length.
ops::Convolution1dOptions same_length(const Convolution1d& layer, std::int64_t dilation = 1) {
  const std::int64_t kernel = layer->weight.size(2);
  return {.padding = dilation * (kernel - 1) / 2, .dilation = dilation};
}

ops::LeakySum convolve(const Convolution1d& layer, const torch::Tensor& x, std::int64_t dilation,
                       const ops::LeakySumOptions& then) {
  return ops::convolution_1d(x, layer->weight, layer->bias, same_length(layer, dilation), then);
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

ops::LeakySum HifiGanBlockImpl::forward(const ops::LeakySum& x, ops::LeakySumOptions then) {
  ops::LeakySum sum = x;
  for (std::size_t i = 0; i < dilations_.size(); ++i) {
    const bool last = i + 1 == dilations_.size();
    ops::LeakySumOptions add = last ? then : ops::LeakySumOptions{.slope = kSlope};
    add.residual = sum.sum;
    if (plain_.empty()) {
      sum = convolve(dilated_[i], sum.activated, dilations_[i], add);
      continue;
    }
    const ops::LeakySum h =
        convolve(dilated_[i], sum.activated, dilations_[i], {.slope = kSlope, .keep_sum = false});
    sum = convolve(plain_[i], h.activated, 1, add);
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
  torch::Tensor x = convolve(conv_pre_, ops::to_row(mel.to(conv_pre_->weight.options())), 1,
                             {.slope = kSlope, .keep_sum = false})
                        .activated;
  for (Stage& stage : stages_) {
    const ops::LeakySum upsampled =
        ops::transposed_convolution_1d(x, stage.upsample->weight, stage.upsample->bias, stage.rate,
                                       stage.padding, {.slope = kSlope});
    torch::Tensor total;
    for (HifiGanBlock& branch : stage.branches) {
      ops::LeakySumOptions then{.total = total, .activate = false};
      if (&branch == &stage.branches.back()) {  // the mean of the branches goes on
        const bool last_stage = &stage == &stages_.back();
        then = {.total = total,
                .divisor = static_cast<double>(stage.branches.size()),
                .slope = last_stage ? kLastSlope : kSlope,
                .keep_sum = false};
      }
      const ops::LeakySum result = branch(upsampled, then);
      total = result.sum;
      x = result.activated;
    }
  }
  return ops::convolution_1d(x, conv_post_->weight, conv_post_->bias, same_length(conv_post_))
      .tanh_()
      .flatten(1);
}

}  // namespace ddpm
