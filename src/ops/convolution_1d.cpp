#include "ddpm/ops/convolution_1d.h"

namespace ddpm::ops {
namespace {

// The filters of a layer already lie in channels_last order (nn/parameter_layout.h), so this is a
// view of them.
torch::Tensor filters(const torch::Tensor& weight) { return to_row(weight); }

}  // namespace

torch::Tensor to_row(const torch::Tensor& x) {
  return x.unsqueeze(2).contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const Convolution1dOptions& options) {
  return torch::conv2d(x, filters(weight), bias, torch::IntArrayRef({1, 1}),
                       torch::IntArrayRef({0, options.padding}),
                       torch::IntArrayRef({1, options.dilation}));
}

torch::Tensor transposed_convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                                        const torch::Tensor& bias, std::int64_t stride,
                                        std::int64_t padding) {
  return torch::conv_transpose2d(x, filters(weight), bias, {1, stride}, {0, padding});
}

}  // namespace ddpm::ops
