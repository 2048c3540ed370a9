// Convolutions by kernels/hopper_convolution.h, without autograd. Each returns an undefined tensor
// if the kernel is missing, cannot do the shape, or is not the fastest. Private to ops.
#pragma once

#include <torch/types.h>

#include "ddpm/ops/convolution.h"

namespace ddpm::ops {

// Tensors added to a convolution's result; undefined ones count as zero.
struct Addends {
  torch::Tensor bias;      // [C_out]
  torch::Tensor residual;  // like the result
  Shortcut shortcut;
};

// Convolves x [N,C,H,W] with weight [C_out,C,K,K] to [N,C_out,height,width]. There are `padding`
// zeros above and left of x, and as many as needed below and right.
torch::Tensor hopper_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 std::int64_t stride, std::int64_t padding, std::int64_t height,
                                 std::int64_t width, const Addends& addends);

// The gradient of x from the gradient of y, for stride 1. `x` is used only for its sizes.
torch::Tensor hopper_input_gradient(const torch::Tensor& dy, const torch::Tensor& x,
                                    const torch::Tensor& weight, std::int64_t padding);

// Doubles x [N,C,H,W] and convolves it with folded filters [4*C_out,C,2,2], to [N,C_out,2H,2W].
torch::Tensor hopper_upsample(const torch::Tensor& x, const torch::Tensor& folded,
                              const torch::Tensor& bias);

}  // namespace ddpm::ops
