// The generator of HiFi-GAN (architecture/hifi_gan.h), for synthesis. It is not trained here.
#pragma once

#include <vector>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/nn/layers.h"
#include "ddpm/ops/convolution_1d.h"

namespace ddpm {

// One branch of a stage: for each dilation a leaky ReLU and a dilated convolution, and in one kind
// of block another leaky ReLU and a convolution; their result is added to the input. Feature maps
// are [N,C,1,L].
class HifiGanBlockImpl : public torch::nn::Module {
 public:
  HifiGanBlockImpl(HifiGanBlockKind kind, std::int64_t channels, std::int64_t kernel,
                   std::vector<std::int64_t> dilations);

  // x: the sum of the layer before, and its leaky ReLU. The block's result is passed on as `then`
  // says.
  ops::LeakySum forward(const ops::LeakySum& x, ops::LeakySumOptions then);

 private:
  std::vector<std::int64_t> dilations_;
  std::vector<Convolution1d> dilated_;
  std::vector<Convolution1d> plain_;  // empty: the block has one convolution for each dilation
};
TORCH_MODULE(HifiGanBlock);

// Names and shapes of the parameters are those of published checkpoints without weight norm:
// conv_pre, ups.0, resblocks.0.convs1.0, conv_post.
class HifiGanGeneratorImpl : public torch::nn::Module {
 public:
  explicit HifiGanGeneratorImpl(const HifiGanConfig& config);

  // mel: [N,bands,T], logarithms of the amplitudes. Returns sound [N,T*hop] in (-1,1), in the dtype
  // of the weights.
  torch::Tensor forward(const torch::Tensor& mel);

  // No parameters are used together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const { return {}; }

 private:
  struct Stage {
    TransposedConvolution1d upsample{nullptr};
    std::int64_t rate = 1;
    std::int64_t padding = 0;
    std::vector<HifiGanBlock> branches;  // their mean is the result
  };

  Convolution1d conv_pre_{nullptr}, conv_post_{nullptr};
  std::vector<Stage> stages_;
};
TORCH_MODULE(HifiGanGenerator);

}  // namespace ddpm
