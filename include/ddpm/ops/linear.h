// Layers that compute each position separately.
#pragma once

#include <torch/types.h>

#include <vector>

namespace ddpm::ops {

// Multiplies x [...,C] by weight [C_out,C] and adds bias [C_out] and residual [...,C_out]; both may
// be undefined. On a GPU the matrix product does the additions.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     const torch::Tensor& residual = {});

// Tensors added to the result of a layer; undefined ones count as zero.
struct Residual {
  torch::Tensor value;  // like the result
  torch::Tensor bias;   // [C_out]: bias of the layer that made `value`, if it is not added yet
};

// A 1x1 convolution of the channels of x [N,C1,H,W] and of skip [N,C2,H,W] (or undefined), weight
// [C_out,C1+C2] or [C_out,C1+C2,1,1], bias [C_out], plus residual [N,C_out,H,W]. On a GPU there is
// no concatenation, and the matrix product does all additions. Memory is channels last.
torch::Tensor pointwise_convolution(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& weight, const torch::Tensor& bias,
                                    const Residual& residual = {});

// Concatenates tensors along their first dimension. Nothing is copied if they follow each other in
// memory, as parameters that ParameterLayout joins do.
torch::Tensor join(const std::vector<torch::Tensor>& parts);

}  // namespace ddpm::ops
