// Convolutions by kernels/hopper_convolution.h. Each returns an undefined tensor where that kernel
// is not there, does not take the shape, or is not the fastest. Without autograd. Private to ops.
#pragma once

#include <torch/types.h>

#include "ddpm/ops/convolution.h"

namespace ddpm::ops {

// What is added to a convolution's result; undefined parts count as zero.
struct Addends {
  torch::Tensor bias;      // [C_out]
  torch::Tensor residual;  // like the result
  Shortcut shortcut;
};

// x [N,C,H,W] with weight [C_out,C,K,K] to [N,C_out,height,width]; `padding` zeros above and left
// of x, and as many as it takes below and right.
torch::Tensor hopper_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 std::int64_t stride, std::int64_t padding, std::int64_t height,
                                 std::int64_t width, const Addends& addends);

// The gradient of x, whose sizes are those of `x`, from that of y, for stride 1.
torch::Tensor hopper_input_gradient(const torch::Tensor& dy, const torch::Tensor& x,
                                    const torch::Tensor& weight, std::int64_t padding);

// x [N,C,H,W], enlarged twice, with filters folded [4*C_out,C,2,2], to [N,C_out,2H,2W].
torch::Tensor hopper_upsample(const torch::Tensor& x, const torch::Tensor& folded,
                              const torch::Tensor& bias);

}  // namespace ddpm::ops
