// The parts a denoising UNet is made of. Feature maps are [N,C,H,W], time embeddings [N,T]; modules
// are built with LibTorch's default parameters and filled by initialize_weights() (nn/initialize.h)
// or from a file.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <optional>
#include <vector>

#include "ddpm/interop/names.h"
#include "ddpm/nn/activation.h"
#include "ddpm/ops/group_norm.h"
#include "ddpm/ops/random.h"
#include "ddpm/ops/resample.h"

namespace ddpm {

// Registers `child` below `root` under a dotted path; the modules between are created as needed.
void register_at(torch::nn::Module& root, const std::string& path,
                 std::shared_ptr<torch::nn::Module> child);

// Group norm with what follows it in these networks. Parameters `weight` and `bias` [channels].
class NormImpl : public torch::nn::Module {
 public:
  NormImpl(std::int64_t channels, std::int64_t groups, double epsilon);

  // Then SiLU if `silu`, and dropout if a draw is given; see ops/group_norm.h.
  ops::GroupNormOutput forward(const ops::GroupNormInput& input, bool silu, double dropout = 0,
                               const std::optional<ops::Draw>& draw = std::nullopt);

  torch::Tensor weight, bias;

 private:
  std::int64_t groups_;
  double epsilon_;
};
TORCH_MODULE(Norm);

// What a residual block does to height and width, by 2x2 means or by repeating pixels.
enum class Resample { kNone, kHalve, kDouble };

struct ResBlockOptions {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t time_channels = 0;
  std::int64_t groups = 32;
  double epsilon = 1e-6;
  Activation activation = Activation::kSilu;
  double dropout = 0;
  int dropout_layer = 0;     // which random stream its dropout draws from
  bool scale_shift = false;  // time scales and shifts after the second norm (Dhariwal and Nichol,
                             // "Diffusion Models Beat GANs", adaptive group norm)
  double output_scale = 1;   // what input plus result are divided by
  Resample resample = Resample::kNone;  // before the first convolution, and of the shortcut
};

// norm, SiLU or another activation, 3x3, + time; norm, the same, dropout, 3x3; + shortcut.
class ResBlockImpl : public torch::nn::Module {
 public:
  ResBlockImpl(const ResBlockOptions& options, const ResBlockNames& names);

  // `skip`: further channels of the input, or undefined. `shift` [N,out_channels]: the block's
  // projection of the time plus its first convolution's bias, see TimeProjections; with scale_shift
  // [N,2*out_channels], the projection alone. Dropout acts only if a draw is given; its row i is
  // sample draw->key.sample + i.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip,
                        const torch::Tensor& shift, const std::optional<ops::Draw>& dropout);

  torch::nn::Conv2d& last_layer() { return conv2_; }

 private:
  friend struct TimeProjections;

  // The norm, the activation, and dropout if a draw is given.
  ops::GroupNormOutput normed(Norm& norm, const ops::GroupNormInput& input,
                              const std::optional<ops::Draw>& dropout = std::nullopt);
  torch::Tensor modulate(const torch::Tensor& h, const torch::Tensor& scale_and_shift,
                         const std::optional<ops::Draw>& dropout);

  Activation activation_;
  double dropout_;
  int dropout_layer_;
  bool scale_shift_;
  double output_scale_;
  Resample resample_;
  Norm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr},
      shortcut_{nullptr};  // shortcut_ empty: identity
  torch::nn::Linear time_{nullptr};
};
TORCH_MODULE(ResBlock);

// What turns the time embedding into the shifts of residual blocks, in the order of the blocks.
struct TimeProjections {
  std::vector<torch::Tensor> weights, biases;
  std::vector<torch::Tensor> convolution_biases;  // none with scale_shift
  std::vector<std::int64_t> widths;

  explicit TimeProjections(const std::vector<ResBlock>& blocks);

  // The shift of every block, from the activated time embedding [N,T]: one product instead of one
  // a block.
  std::vector<torch::Tensor> apply(const torch::Tensor& activated_time) const;
};

struct AttentionOptions {
  std::int64_t channels = 0;
  std::int64_t heads = 1;
  std::int64_t groups = 32;
  double epsilon = 1e-6;
  bool fused = false;  // labml: one linear layer for q, k, v, split inside each head, and a norm
                       // that is never applied
  bool normed = true;  // the tokens are normalised first
  double output_scale = 1;  // what input plus result are divided by
};

// Self-attention over all positions, plus the input.
class AttentionBlockImpl : public torch::nn::Module {
 public:
  AttentionBlockImpl(const AttentionOptions& options, const AttentionNames& names);
  torch::Tensor forward(const torch::Tensor& x);

  // Those that one product uses, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

  torch::nn::Linear& last_layer() { return out_; }

 private:
  torch::Tensor project(const torch::Tensor& tokens);  // q, k and v of [N,tokens,C]

  AttentionOptions options_;
  Norm norm_{nullptr};
  torch::nn::Linear q_{nullptr}, k_{nullptr}, v_{nullptr}, qkv_{nullptr}, out_{nullptr};
};
TORCH_MODULE(AttentionBlock);

// Halves height and width by a 3x3 convolution of stride 2; Ho's padding is the asymmetric one.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(std::int64_t channels, DownsamplePadding padding);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  DownsamplePadding padding_;
  torch::nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(Downsample);

// Doubles height and width: nearest neighbour, then 3x3; or a transposed 4x4 convolution of
// stride 2.
class UpsampleImpl : public torch::nn::Module {
 public:
  UpsampleImpl(std::int64_t channels, bool transposed);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::ConvTranspose2d transposed_{nullptr};
};
TORCH_MODULE(Upsample);

}  // namespace ddpm
