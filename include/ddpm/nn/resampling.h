// Convolutions that halve or double the height and width of a feature map [N,C,H,W].
#pragma once

#include "ddpm/config/choices.h"
#include "ddpm/nn/layers.h"

namespace ddpm {

// Halves height and width by a 3x3 convolution of stride 2. Ho et al. use asymmetric padding.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(std::int64_t channels, DownsamplePadding padding);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  DownsamplePadding padding_;
  Convolution conv_{nullptr};
};
TORCH_MODULE(Downsample);

// Doubles height and width: by nearest neighbour and a 3x3 convolution, or by a transposed 4x4
// convolution of stride 2.
class UpsampleImpl : public torch::nn::Module {
 public:
  UpsampleImpl(std::int64_t channels, bool transposed);

  // With nearest neighbours the result can have another height and width than twice those of x:
  // those of a feature map of odd sides that a convolution has halved.
  torch::Tensor forward(const torch::Tensor& x, std::int64_t height, std::int64_t width);

 private:
  Convolution conv_{nullptr};
  TransposedConvolution transposed_{nullptr};
};
TORCH_MODULE(Upsample);

}  // namespace ddpm
