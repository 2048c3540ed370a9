#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// Convolutions along one axis. Feature maps are [N,C,1,L] in channels_last memory, as images of one
// row: oneDNN and cuDNN compute them faster in this order than as [N,C,L] (docs/performance.md).

// A feature map [N,C,1,L] from x [N,C,L] of any strides.
torch::Tensor to_row(const torch::Tensor& x);

struct Convolution1dOptions {
  std::int64_t padding = 0;  // zeros on both sides
  std::int64_t dilation = 1;
};

// Convolves x [N,C,1,L] with weight [C_out,C,K] and adds bias [C_out].
torch::Tensor convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const Convolution1dOptions& options);

// The transposed convolution of x [N,C,1,L] with weight [C,C_out,K] plus bias [C_out]. Returns
// [N,C_out,1,(L-1)*stride-2*padding+K].
torch::Tensor transposed_convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                                        const torch::Tensor& bias, std::int64_t stride,
                                        std::int64_t padding);

}  // namespace ddpm::ops
