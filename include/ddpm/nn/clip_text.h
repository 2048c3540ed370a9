// The text encoder of CLIP (architecture/clip_text.h), for inference. Its modules have the names of
// transformers' CLIPTextModel, without "text_model.".
#pragma once

#include <memory>
#include <vector>

#include "ddpm/architecture/clip_text.h"
#include "ddpm/nn/layers.h"

namespace ddpm {

// Self-attention of each token to those before it, and a network of two layers on each token alone;
// each gets its input normalised and is added to it.
class ClipTextLayerImpl : public torch::nn::Module {
 public:
  explicit ClipTextLayerImpl(const ClipTextConfig& config);
  torch::Tensor forward(const torch::Tensor& tokens);  // [N,tokens,width]

  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  std::int64_t heads_;
  ClipActivation activation_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  Linear q_{nullptr}, k_{nullptr}, v_{nullptr}, out_{nullptr}, fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(ClipTextLayer);

class ClipTextImpl : public torch::nn::Module {
 public:
  explicit ClipTextImpl(const ClipTextConfig& config);

  // The states of ids [N,tokens] int64, at most config.positions: states[0] are the embeddings,
  // states[i] the output of layer i, [N,tokens,width]. Stable Diffusion 1 takes
  // normed(states[layers]), 2 takes normed(states[layers - 1]) of its 24 layers, XL states[layers -
  // 1] of both encoders without the norm. Ids from config.tokens on are rows of `further` [n,width],
  // the vectors of textual inversions.
  std::vector<torch::Tensor> states(const torch::Tensor& ids, const torch::Tensor& further = {});

  // The final norm of a state.
  torch::Tensor normed(const torch::Tensor& state);

  // The row of the first end token after the final norm of the last state, times text_projection if
  // there is one: [N,projection] or [N,width].
  torch::Tensor pooled(const torch::Tensor& ids, const torch::Tensor& last_state);

  const ClipTextConfig& config() const { return config_; }

  // The parameters that one matrix product uses together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  ClipTextConfig config_;
  std::shared_ptr<LayerImpl> token_embedding_, position_embedding_,
      projection_;  // the last may be null
  std::vector<ClipTextLayer> layers_;
  LayerNorm final_norm_{nullptr};
};
TORCH_MODULE(ClipText);

// The encoding [N,tokens,width] of a weighted prompt, as stable-diffusion-webui computes it: each
// row is multiplied by its weight [N,tokens], then all by one number that gives each sequence the
// mean it had.
torch::Tensor apply_prompt_weights(const torch::Tensor& encoding, const torch::Tensor& weights);

}  // namespace ddpm
