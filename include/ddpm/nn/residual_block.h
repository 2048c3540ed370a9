// The residual block of a UNet, which also gets the time. Feature maps are [N,C,H,W], time
// embeddings [N,T].
#pragma once

#include <optional>
#include <vector>

#include "ddpm/config/choices.h"
#include "ddpm/interop/names.h"
#include "ddpm/nn/layers.h"
#include "ddpm/ops/random.h"

namespace ddpm {

struct ResBlockOptions {
  // How the block changes height and width: it halves them by 2x2 means, or doubles them by
  // repeating pixels.
  enum class Change { kNone, kHalve, kDouble };

  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t time_channels = 0;  // of the time embedding; 0: the block does not get the time
  std::int64_t groups = 32;
  double epsilon = 1e-6;
  Activation activation = Activation::kSilu;
  double dropout = 0;
  int dropout_layer = 0;     // the random stream of its dropout
  bool scale_shift = false;  // time scales and shifts after the second norm (Dhariwal and Nichol,
                             // "Diffusion Models Beat GANs", adaptive group norm)
  double output_scale = 1;   // the sum of input and result is divided by this
  Change change = Change::kNone;  // made before the first convolution, and to the shortcut
};

// Norm, activation (SiLU or another), 3x3 convolution, plus time; norm, activation, dropout, 3x3
// convolution; plus shortcut.
class ResBlockImpl : public torch::nn::Module {
 public:
  ResBlockImpl(const ResBlockOptions& options, const ResBlockNames& names);

  // `skip`: further channels of the input, or undefined. `shift` [N,out_channels]: the block's
  // projection of the time plus the bias of its first convolution, see TimeProjections. With
  // scale_shift it is only the projection, [N,2*out_channels]; without a time it is undefined.
  // Dropout is applied only if a draw is given; its row i is sample draw->key.sample + i.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& skip,
                        const torch::Tensor& shift, const std::optional<ops::Draw>& dropout);

 private:
  friend struct TimeProjections;

  // Applies the norm, the activation, and dropout if a draw is given.
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

// Turns the time embedding into the shifts of residual blocks, in the order of the blocks.
struct TimeProjections {
  std::vector<torch::Tensor> weights, biases;
  std::vector<torch::Tensor> convolution_biases;  // none with scale_shift
  std::vector<std::int64_t> widths;

  explicit TimeProjections(const std::vector<ResBlock>& blocks);

  // The shift of every block, from the activated time embedding [N,T]: one matrix product for all
  // blocks.
  std::vector<torch::Tensor> apply(const torch::Tensor& activated_time) const;
};

}  // namespace ddpm
