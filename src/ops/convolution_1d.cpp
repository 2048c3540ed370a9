#include "ddpm/ops/convolution_1d.h"

#include "ddpm/device/kernels.h"
#include "ddpm/kernels/leaky_sum.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

// The filters of a layer already lie in channels_last order (nn/parameter_layout.h), so this is a
// view of them.
torch::Tensor filters(const torch::Tensor& weight) { return to_row(weight); }

// y may be overwritten, and so may then.total.
LeakySum leaky_sum(torch::Tensor y, const LeakySumOptions& then) {
  if (then.residual.defined()) y.add_(then.residual);
  if (then.total.defined()) y = torch::Tensor(then.total).add_(y);
  if (then.divisor != 1) y.div_(then.divisor);
  if (!then.activate) return {.sum = y};
  if (!then.keep_sum) return {.activated = torch::leaky_relu_(y, then.slope)};
  return {.sum = y, .activated = torch::leaky_relu(y, then.slope)};
}

// The same by one kernel; y is without its bias.
LeakySum leaky_sum_by_kernel(const torch::Tensor& y, const torch::Tensor& bias,
                             const LeakySumOptions& then) {
  const LeakySum result{.sum = then.keep_sum ? y : torch::Tensor(),
                        .activated = !then.activate  ? torch::Tensor()
                                     : then.keep_sum ? torch::empty_like(y)
                                                     : y};
  const auto output = [](const torch::Tensor& x) { return x.defined() ? x.data_ptr() : nullptr; };
  kernels::leaky_sum({.a = y.const_data_ptr(),
                      .bias = bias.const_data_ptr(),
                      .residual = data(then.residual),
                      .total = data(then.total),
                      .divisor = static_cast<float>(then.divisor),
                      .slope = static_cast<float>(then.slope),
                      .sum = output(result.sum),
                      .activated = output(result.activated)},
                     type_of(y), y.numel() / y.size(1), y.size(1), stream_of(y));
  return result;
}

// Calls convolve(bias) and then sums; with kernels cuDNN does not add the bias, because ATen would do
// that in a pass of its own.
template <class Convolve>
LeakySum convolve_and_sum(const torch::Tensor& x, const torch::Tensor& bias,
                          const LeakySumOptions& then, const Convolve& convolve) {
  if (!use_kernels(x)) return leaky_sum(convolve(bias), then);
  return leaky_sum_by_kernel(channels_last(convolve(torch::Tensor())), bias, then);
}

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

LeakySum convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias, const Convolution1dOptions& options,
                        const LeakySumOptions& then) {
  return convolve_and_sum(x, bias, then, [&](const torch::Tensor& added) {
    return convolution_1d(x, weight, added, options);
  });
}

LeakySum transposed_convolution_1d(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, std::int64_t stride,
                                   std::int64_t padding, const LeakySumOptions& then) {
  return convolve_and_sum(x, bias, then, [&](const torch::Tensor& added) {
    return torch::conv_transpose2d(x, filters(weight), added, {1, stride}, {0, padding});
  });
}

}  // namespace ddpm::ops
