// The autoencoder of Stable Diffusion (architecture/autoencoder.h), for inference. Its modules have
// the names of diffusers' AutoencoderKL. Images are [N,3,H,W] in [-1,1], latents [N,4,h,w] as the
// network has them, without the scale.
#pragma once

#include <vector>

#include "ddpm/architecture/autoencoder.h"
#include "ddpm/nn/attention_block.h"
#include "ddpm/nn/layers.h"
#include "ddpm/nn/resampling.h"
#include "ddpm/nn/residual_block.h"

namespace ddpm {

// Some residual blocks, and then a change of resolution in all levels but one.
struct AutoencoderLevel {
  std::vector<ResBlock> blocks;
  Downsample downsample{nullptr};
  Upsample upsample{nullptr};

  torch::Tensor operator()(torch::Tensor x);
};

struct AutoencoderMiddle {
  ResBlock first{nullptr}, second{nullptr};
  AttentionBlock attention{nullptr};  // one head of all channels; empty: there is none

  torch::Tensor operator()(const torch::Tensor& x);
};

// Images [N,3,H,W] to features [N,2*latent_channels,h,w].
class AutoencoderEncoderImpl : public torch::nn::Module {
 public:
  explicit AutoencoderEncoderImpl(const AutoencoderConfig& config);
  torch::Tensor forward(const torch::Tensor& image);
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  Convolution conv_in_{nullptr}, conv_out_{nullptr};
  std::vector<AutoencoderLevel> levels_;
  AutoencoderMiddle middle_;
  Norm norm_out_{nullptr};
};
TORCH_MODULE(AutoencoderEncoder);

// Latents [N,latent_channels,h,w] to images.
class AutoencoderDecoderImpl : public torch::nn::Module {
 public:
  explicit AutoencoderDecoderImpl(const AutoencoderConfig& config);
  torch::Tensor forward(const torch::Tensor& z);
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  Convolution conv_in_{nullptr}, conv_out_{nullptr};
  std::vector<AutoencoderLevel> levels_;
  AutoencoderMiddle middle_;
  Norm norm_out_{nullptr};
};
TORCH_MODULE(AutoencoderDecoder);

class AutoencoderImpl : public torch::nn::Module {
 public:
  explicit AutoencoderImpl(const AutoencoderConfig& config);

  // Mean and logarithm of the variance of the latents, [N,2*latent_channels,H/r,W/r] float32, where
  // r is reduction_of(config). Sides that r does not divide are rounded down at each level.
  torch::Tensor encode(const torch::Tensor& image);

  // Images [N,3,h*r,w*r], float32, not clipped.
  torch::Tensor decode(const torch::Tensor& z);

  // The same in overlapping tiles, as diffusers does when enable_tiling is on: images larger than
  // sample_size in tiles of that size, which are blended. Group norms see one tile at a time, so
  // the result differs from the whole one; the memory does not grow with the image.
  torch::Tensor encode_tiled(const torch::Tensor& image);
  torch::Tensor decode_tiled(const torch::Tensor& z);

  const AutoencoderConfig& config() const { return config_; }

  // The parameters that one matrix product uses together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  torch::TensorOptions options() const;

  AutoencoderConfig config_;
  AutoencoderEncoder encoder_{nullptr};
  AutoencoderDecoder decoder_{nullptr};
  Convolution quant_{nullptr}, post_quant_{nullptr};  // empty: there is none
};
TORCH_MODULE(Autoencoder);

// The mean of encode()'s result.
torch::Tensor posterior_mean(const torch::Tensor& moments);
// mean + deviation * noise, with the logarithm of the variance clamped to [-30, 20]. noise: like
// the mean.
torch::Tensor posterior_sample(const torch::Tensor& moments, const torch::Tensor& noise);

}  // namespace ddpm
