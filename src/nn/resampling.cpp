#include "ddpm/nn/resampling.h"

#include "ddpm/ops/convolution.h"
#include "ddpm/ops/resample.h"

namespace ddpm {

DownsampleImpl::DownsampleImpl(std::int64_t channels, DownsamplePadding padding)
    : padding_(padding), conv_(register_module("conv", Convolution(channels, channels, 3))) {}

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x) {
  return ops::downsample_convolution(x, conv_->weight, conv_->bias, padding_);
}

UpsampleImpl::UpsampleImpl(std::int64_t channels, bool transposed) {
  if (transposed)
    transposed_ = register_module("conv", TransposedConvolution(channels, channels, 4));
  else
    conv_ = register_module("conv", Convolution(channels, channels, 3));
}

torch::Tensor UpsampleImpl::forward(const torch::Tensor& x, std::int64_t height,
                                    std::int64_t width) {
  if (!transposed_.is_empty())
    return ops::transposed_convolution(x, transposed_->weight, transposed_->bias);
  if (height == 2 * x.size(2) && width == 2 * x.size(3))
    return ops::upsample_convolution(x, conv_->weight, conv_->bias);
  const torch::Tensor larger =
      torch::upsample_nearest2d(x, std::vector<std::int64_t>{height, width});
  return ops::convolution(larger, conv_->weight, conv_->bias);
}

}  // namespace ddpm
