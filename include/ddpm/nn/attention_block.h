// Self-attention between the pixels of a feature map [N,C,H,W].
#pragma once

#include <vector>

#include "ddpm/interop/names.h"
#include "ddpm/nn/layers.h"

namespace ddpm {

struct AttentionOptions {
  std::int64_t channels = 0;
  std::int64_t heads = 1;
  std::int64_t groups = 32;
  double epsilon = 1e-6;
  bool fused = false;  // labml: one linear layer for q, k, v, split inside each head, and a norm
                       // that is never applied
  bool normed = true;  // the tokens are normalised first
  double output_scale = 1;  // the sum of input and result is divided by this
};

// Computes self-attention over all positions and adds the input.
class AttentionBlockImpl : public torch::nn::Module {
 public:
  AttentionBlockImpl(const AttentionOptions& options, const AttentionNames& names);
  torch::Tensor forward(const torch::Tensor& x);

  // The parameters that one matrix product uses together, see ParameterLayout.
  std::vector<std::vector<torch::Tensor>> joined_parameters() const;

 private:
  torch::Tensor project(const torch::Tensor& tokens);  // q, k and v of [N,tokens,C]

  AttentionOptions options_;
  Norm norm_{nullptr};
  Linear q_{nullptr}, k_{nullptr}, v_{nullptr}, qkv_{nullptr}, out_{nullptr};
};
TORCH_MODULE(AttentionBlock);

}  // namespace ddpm
