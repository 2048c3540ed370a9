// The denoising network: one UNet whose switches (ModelConfig in config/config.h) reproduce the
// published networks. Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", appendix B.
#pragma once

#include <optional>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/config/unet_plan.h"
#include "ddpm/nn/attention_block.h"
#include "ddpm/nn/embeddings.h"
#include "ddpm/nn/resampling.h"
#include "ddpm/nn/residual_block.h"
#include "ddpm/nn/transformer.h"
#include "ddpm/ops/condition.h"

namespace ddpm {

// What follows a residual block: an attention block, a transformer, or nothing.
struct Attention {
  AttentionBlock block{nullptr};
  SpatialTransformer transformer{nullptr};

  // The context is for transformers. Nothing: returns x.
  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& context);
};

// A residual block with optional attention, on the way down.
struct DownBlock {
  ResBlock res{nullptr};
  Attention attention = {};

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& shift,
                           const Condition& condition);
};

// The same on the way up, where features of the way down are joined: channels are [x, skip].
struct UpBlock {
  ResBlock res{nullptr};
  Attention attention = {};

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& skip,
                           const torch::Tensor& shift, const Condition& condition);
};

// Residual block, attention, residual block at the lowest resolution.
struct MiddleBlock {
  ResBlock res1{nullptr};  // empty: there is no middle
  Attention attention = {};
  ResBlock res2{nullptr};

  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& shift1,
                           const torch::Tensor& shift2, const Condition& condition);
};

struct DownLevel {
  std::vector<DownBlock> blocks;
  Downsample downsample{nullptr};  // empty at the lowest resolution
  ResBlock halve{nullptr};         // used instead if a residual block halves the image
};

struct UpLevel {
  std::vector<UpBlock> blocks;
  Upsample upsample{nullptr};  // empty at the full resolution
  ResBlock twice{nullptr};     // used instead if a residual block doubles the image
};

class UNetImpl : public torch::nn::Module {
 public:
  // Images have `image_channels`, and so has the prediction, unless the config says otherwise
  // (in_channels, predicts_variance, out_channels). The config must be valid (config/validate.h).
  UNetImpl(const ModelConfig& config, std::int64_t image_channels);

  // x: [N,C,H,W] with H and W divisible by size_factor (config/unet_plan.h); t: [N] in steps,
  // integers or floats. Returns the prediction, [N,C_out,H,W] in the dtype of x. Throws
  // std::invalid_argument if the condition lacks labels, context or vector that the network needs.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t,
                        const Condition& condition = {});

  // Lists of parameters that are used together, for ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  // These add blocks to their levels, in the order of the plan.
  void add_down(const BlockPlan& block, const BlockNames& names);
  void add_middle(const BlockPlan& block, const BlockNames& names);
  void add_up(const BlockPlan& block, const BlockNames& names);
  ResBlock add_res(const BlockPlan& block, const std::string& path);
  Attention add_attention(const BlockPlan& block, const std::string& path);
  torch::Tensor embed(const torch::Tensor& t, const Condition& condition);
  // The shift of every residual block (TimeProjections).
  std::vector<torch::Tensor> shifts_of(const torch::Tensor& t, const Condition& condition);
  // With a context of the network's own type.
  Condition checked(const Condition& condition) const;

  ModelConfig config_;
  UNetPlan plan_;
  UNetNames names_;
  Convolution conv_in_{nullptr};
  TimeFeatures time_features_{nullptr};
  TimeEmbedding time_embedding_{nullptr};
  ClassEmbedding class_embedding_{nullptr};  // empty: unconditional
  TimeEmbedding vector_embedding_{nullptr};  // empty: no vector
  std::vector<DownLevel> down_;              // full resolution first
  MiddleBlock middle_;
  std::vector<UpLevel> up_;  // lowest resolution first
  Norm norm_out_{nullptr};
  Convolution conv_out_{nullptr};
  std::vector<ResBlock> res_blocks_;  // all residual blocks, in the order of evaluation
  std::vector<Attention> attentions_;
};
TORCH_MODULE(UNet);

}  // namespace ddpm
