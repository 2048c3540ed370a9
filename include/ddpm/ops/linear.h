// Layers that see one position at a time.
#pragma once

#include <torch/types.h>

#include <vector>

namespace ddpm::ops {

// x [...,C] times weight [C_out,C] plus bias [C_out] (or undefined).
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias);

// Added to the result of a layer; undefined parts count as zero.
struct Residual {
  torch::Tensor value;  // like the result
  torch::Tensor bias;   // [C_out], of the layer that made the value, if it left that to this one
};

// A 1x1 convolution of the channels of x [N,C1,H,W] and of skip [N,C2,H,W] (or undefined), weight
// [C_out,C1+C2] or [C_out,C1+C2,1,1], bias [C_out], plus residual [N,C_out,H,W]; on a GPU without
// making the concatenation and with all additions in the product. Memory is channels last.
torch::Tensor pointwise_convolution(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& weight, const torch::Tensor& bias,
                                    const Residual& residual = {});

// The concatenation of tensors along their first dimension. Without a copy if they follow each
// other in memory, as parameters that ParameterLayout was told to join do.
torch::Tensor join(const std::vector<torch::Tensor>& parts);

}  // namespace ddpm::ops
