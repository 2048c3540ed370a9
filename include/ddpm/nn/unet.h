// The denoising network: one UNet whose switches (config/config.h, ModelConfig) reproduce the
// published ones. Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", appendix B.
#pragma once

#include <torch/nn/modules/conv.h>

#include <optional>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/config/widths.h"
#include "ddpm/nn/blocks.h"
#include "ddpm/nn/embeddings.h"

namespace ddpm {

// Residual block with optional attention, on the way down.
struct DownBlock {
  ResBlock res{nullptr};
  AttentionBlock attention{nullptr};  // empty: none

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& shift,
                           const std::optional<ops::Draw>& dropout);
};

// The same on the way up, where the features of the way down join: channels are [x, skip].
struct UpBlock {
  ResBlock res{nullptr};
  AttentionBlock attention{nullptr};

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& skip,
                           const torch::Tensor& shift, const std::optional<ops::Draw>& dropout);
};

// Residual block, attention, residual block at the lowest resolution.
struct MiddleBlock {
  ResBlock res1{nullptr};             // empty: there is no middle
  AttentionBlock attention{nullptr};  // empty: none
  ResBlock res2{nullptr};

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& shift1,
                           const torch::Tensor& shift2, const std::optional<ops::Draw>& dropout);
};

struct DownLevel {
  std::vector<DownBlock> blocks;
  Downsample downsample{nullptr};  // empty at the lowest resolution
  ResBlock halve{nullptr};         // or this, if residual blocks halve the image
};

struct UpLevel {
  std::vector<UpBlock> blocks;
  Upsample upsample{nullptr};  // empty at the full resolution
  ResBlock twice{nullptr};     // or this
};

class UNetImpl : public torch::nn::Module {
 public:
  // `image_channels` in and out; with predicts_variance twice as many out. The config must be valid
  // (config/validate.h).
  UNetImpl(const ModelConfig& config, std::int64_t image_channels);

  // x: [N,C,H,W] with H and W divisible by 2^(levels-1); t: [N] in steps, integers or floats.
  // `labels`: what a class-conditional network takes (nn/embeddings.h), else not used.
  // Returns the prediction, [N,C_out,H,W] in the dtype of x. Dropout acts only if a key is given;
  // row i is then sample dropout->key.sample + i.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t,
                        const std::optional<ops::Draw>& dropout = std::nullopt,
                        const torch::Tensor& labels = {});

  // Parameters that are used together, for ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

  // Weights of the layers that Ho et al. start near zero: the last one of every block, and the
  // output convolution.
  std::vector<torch::Tensor> last_layer_weights();

  // Tables of rows that are looked up: of learned times and of classes.
  std::vector<torch::Tensor> embedding_tables() const;
  // The fixed frequencies of a fourier time embedding; undefined for others.
  torch::Tensor random_frequencies() const;

 private:
  void build_down(const ModelConfig& config, const UNetNames& names,
                  std::vector<std::int64_t>& skip_widths);
  void build_middle(const ModelConfig& config, const UNetNames& names);
  void build_up(const ModelConfig& config, const UNetNames& names,
                std::vector<std::int64_t>& skip_widths);
  ResBlock add_res(const std::string& path, const ModelConfig& config, const UNetNames& names,
                   std::int64_t in, std::int64_t out, double output_scale = 1,
                   Resample resample = Resample::kNone);
  AttentionBlock add_attention(const std::string& path, const ModelConfig& config,
                               const UNetNames& names, const AttentionOptions& options);
  torch::Tensor embed(const torch::Tensor& t, const torch::Tensor& labels);

  bool center_input_ = false;
  double time_scale_ = 1;
  Activation activation_ = Activation::kSilu;
  torch::nn::Conv2d conv_in_{nullptr};
  TimeFeatures time_features_{nullptr};
  TimeEmbedding time_embedding_{nullptr};
  ClassEmbedding class_embedding_{nullptr};  // empty: unconditional
  std::vector<DownLevel> down_;              // full resolution first
  MiddleBlock middle_;
  std::vector<UpLevel> up_;  // lowest resolution first
  Norm norm_out_{nullptr};
  torch::nn::Conv2d conv_out_{nullptr};
  std::vector<ResBlock> res_blocks_;  // of all parts, in the order of evaluation
  std::vector<AttentionBlock> attention_blocks_;
};
TORCH_MODULE(UNet);

}  // namespace ddpm
