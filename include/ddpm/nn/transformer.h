// The transformer of Stable Diffusion's UNet, which mixes the pixels of a feature map with each
// other and with the tokens of a context (a text). Rombach et al., "High-Resolution Image Synthesis
// with Latent Diffusion Models", section 3.3 and table 15. Tokens are [N,tokens,channels].
#pragma once

#include <vector>

#include "ddpm/nn/layers.h"

namespace ddpm {

// Attention of tokens to other tokens: three projections without bias, and one back with it.
class CrossAttentionImpl : public torch::nn::Module {
 public:
  // `source_channels`: of the tokens that keys and values are computed from.
  CrossAttentionImpl(std::int64_t channels, std::int64_t source_channels, std::int64_t heads);

  // Adds `residual`, which is like the tokens, to the result.
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& source,
                        const torch::Tensor& residual);

  // The same with the tokens as their own source, in one product; source_channels must be
  // `channels`.
  torch::Tensor attend_to_each_other(const torch::Tensor& tokens, const torch::Tensor& residual);

  Linear q{nullptr}, k{nullptr}, v{nullptr};

 private:
  torch::Tensor mix(const torch::Tensor& queries, const torch::Tensor& keys,
                    const torch::Tensor& values, const torch::Tensor& residual);

  std::int64_t heads_;
  Linear out_{nullptr};
};
TORCH_MODULE(CrossAttention);

struct TransformerOptions {
  std::int64_t channels = 0;
  std::int64_t context = 0;  // channels of the context's tokens
  std::int64_t heads = 1;
  std::int64_t depth = 1;  // number of blocks
  std::int64_t groups = 32;
  bool linear_projections = false;  // else 1x1 convolutions; only the shape of the weights differs
  bool cross_only = false;          // the first attention of each block is to the context too
};

// Self-attention, attention to the context, and a layer of gated units on each token alone; each
// gets its input normalised and is added to it.
class TransformerBlockImpl : public torch::nn::Module {
 public:
  explicit TransformerBlockImpl(const TransformerOptions& options);
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& context);

  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  bool cross_only_;
  CrossAttention attention1_{nullptr}, attention2_{nullptr};
  Linear gated_{nullptr}, out_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm3_{nullptr};
};
TORCH_MODULE(TransformerBlock);

// A group norm, a projection, blocks of a transformer on the pixels as tokens, a projection back,
// and the sum with the input.
class SpatialTransformerImpl : public torch::nn::Module {
 public:
  explicit SpatialTransformerImpl(const TransformerOptions& options);

  // x: [N,channels,H,W]; context: [N,tokens,options.context] of the same type.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& context);

  // The parameters that one matrix product uses together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  Norm norm_{nullptr};
  LayerImpl* in_ = nullptr;  // Linear or Convolution
  LayerImpl* out_ = nullptr;
  std::vector<TransformerBlock> blocks_;
};
TORCH_MODULE(SpatialTransformer);

}  // namespace ddpm
