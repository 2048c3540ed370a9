// Products of matrices that lie in tensors, by kernels. Private to ops.
#pragma once

#include <torch/types.h>

namespace ddpm::ops {

// [N*H*W,C]: a view of the channels_last memory of [N,C,H,W].
torch::Tensor pixels_of(const torch::Tensor& x);

// [C_out,K*K*C]: a view of the channels_last memory of filters [C_out,C,K,K].
torch::Tensor rows_of_filters(const torch::Tensor& weight);

// out [m,n] = a b^T + added + bias; a [m,k] and b [n,k] of one type. Rows are dense; added (may be
// out) has the strides of out; added and bias may be undefined and have the type of out.
void multiply_into(const torch::Tensor& out, const torch::Tensor& a, const torch::Tensor& b,
                   const torch::Tensor& added = {}, const torch::Tensor& bias = {});

// Whether a 3x3 convolution has few outputs and long sums: implicit products then leave most of a
// GPU idle, while the unfolded input fits the cache and a product of it can divide its sums.
bool unfolding_wins(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride);

// A 3x3 convolution by unfolding, [N,C_out,height,width] plus bias and residual where they are
// defined. Output (i,j) sees pixels from (i*stride-padding, j*stride-padding) on.
torch::Tensor unfolded_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, std::int64_t stride,
                                   std::int64_t padding, std::int64_t height, std::int64_t width,
                                   const torch::Tensor& residual = {});

}  // namespace ddpm::ops
