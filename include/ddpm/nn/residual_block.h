// The residual block of a UNet, which is told the time. Feature maps are [N,C,H,W], time embeddings
// [N,T].
#pragma once

#include <optional>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/interop/names.h"
#include "ddpm/nn/layers.h"
#include "ddpm/ops/random.h"

namespace ddpm {

struct ResBlockOptions {
  // What the block does to height and width, by 2x2 means or by repeating pixels.
  enum class Change { kNone, kHalve, kDouble };

  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t time_channels = 0;  // of the time embedding; 0: the block is told no time
  std::int64_t groups = 32;
  double epsilon = 1e-6;
  Activation activation = Activation::kSilu;
  double dropout = 0;
  int dropout_layer = 0;     // which random stream its dropout draws from
  bool scale_shift = false;  // time scales and shifts after the second norm (Dhariwal and Nichol,
                             // "Diffusion Models Beat GANs", adaptive group norm)
  double output_scale = 1;   // what input plus result are divided by
  Change change = Change::kNone;  // before the first convolution, and of the shortcut
};

// norm, SiLU or another activation, 3x3, + time; norm, the same, dropout, 3x3; + shortcut.
class ResBlockImpl : public torch::nn::Module {
 public:
  ResBlockImpl(const ResBlockOptions& options, const ResBlockNames& names);

  // `skip`: further channels of the input, or undefined. `shift` [N,out_channels]: the block's
  // projection of the time plus its first convolution's bias, see TimeProjections; with scale_shift
  // [N,2*out_channels], the projection alone; undefined without a time. Dropout acts only if a draw
  // is given; its row i is sample draw->key.sample + i.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip,
                        const torch::Tensor& shift, const std::optional<ops::Draw>& dropout);

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
  ResBlockOptions::Change change_;
  Norm norm1_{nullptr}, norm2_{nullptr};
  Convolution conv1_{nullptr}, conv2_{nullptr};
  Convolution shortcut_{nullptr};  // empty: identity
  Linear time_{nullptr};           // empty: no time
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

}  // namespace ddpm
