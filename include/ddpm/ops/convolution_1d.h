#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Convolutions along one axis. Feature maps are [N,C,1,L] in channels_last memory, as images of one
// row: oneDNN and cuDNN compute them faster in this order than as [N,C,L] (docs/performance.md).
// Only for inference: there are no gradients.

// A feature map [N,C,1,L] from x [N,C,L] of any strides.
torch::Tensor to_row(const torch::Tensor& x);

struct Convolution1dOptions {
  std::int64_t padding = 0;  // zeros on both sides
  std::int64_t dilation = 1;
};

// Convolves x [N,C,1,L] with weight [C_out,C,K] and adds bias [C_out].
torch::Tensor convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const Convolution1dOptions& options);

// What is done with a convolution's result y, in one pass on a GPU:
// sum = (y + residual + total) / divisor, activated = leaky ReLU of sum.
struct LeakySumOptions {
  torch::Tensor residual = {}, total = {};  // of y's shape; undefined: nothing is added
  double divisor = 1;
  double slope = 0.1;    // of the leaky ReLU for values below zero
  bool keep_sum = true;  // else `sum` is undefined
  bool activate = true;  // else `activated` is undefined
};
struct LeakySum {
  torch::Tensor sum, activated;
};

// The same as convolution_1d, and then a leaky sum. `total` may be overwritten.
LeakySum convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias, const Convolution1dOptions& options,
                        const LeakySumOptions& then);

// The transposed convolution of x [N,C,1,L] with weight [C,C_out,K] plus bias [C_out], and then a
// leaky sum of [N,C_out,1,(L-1)*stride-2*padding+K].
LeakySum transposed_convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, std::int64_t stride,
                                   std::int64_t padding, const LeakySumOptions& then);

}  // namespace ddpm::ops
