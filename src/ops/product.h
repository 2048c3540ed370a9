// Products of matrices in tensors, computed by kernels. Private to ops.
#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// x [N,C,H,W] as a matrix [N*H*W,C], a view of its channels_last memory.
torch::Tensor pixels_of(const torch::Tensor& x);

// Filters [C_out,C,K,K] as a matrix [C_out,K*K*C], a view of their channels_last memory.
torch::Tensor rows_of_filters(const torch::Tensor& weight);

// Computes out [m,n] = a b^T + added + bias. a [m,k] and b [n,k] have one type, and rows are dense.
// `added` and `bias` have the type of out and may be undefined; `added` has the strides of out and
// may be out.
void multiply_into(const torch::Tensor& out, const torch::Tensor& a, const torch::Tensor& b,
                   const torch::Tensor& added = {}, const torch::Tensor& bias = {});

// Whether unfolding is faster for a 3x3 convolution. It is for few outputs and long sums: cuDNN's
// implicit products then leave most of the GPU idle, while the unfolded input fits the cache and a
// matrix product can divide its sums among blocks.
bool unfolding_wins(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride);

// A 3x3 convolution by unfolding: [N,C_out,height,width], plus bias and residual if they are
// defined. The window of output (i,j) begins at pixel (i*stride-padding, j*stride-padding).
torch::Tensor unfolded_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, std::int64_t stride,
                                   std::int64_t padding, std::int64_t height, std::int64_t width,
                                   const torch::Tensor& residual = {});

}  // namespace ddpm::ops
