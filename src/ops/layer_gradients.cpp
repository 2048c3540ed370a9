#include "layer_gradients.h"

#include "ddpm/kernels/layer_gradients.h"
#include "hopper_convolution.h"

namespace ddpm::ops {
namespace {

torch::Tensor sums_by_channel(const torch::Tensor& x) {
  const std::int64_t channels = x.size(1);
  const std::int64_t rows = x.numel() / channels;
  torch::Tensor sums = torch::empty({channels}, x.options());
  const torch::Tensor partials = workspace(kernels::column_sums_workspace(rows, channels), x);
  kernels::column_sums(x.const_data_ptr(), type_of(x), rows, channels, partials.data_ptr<float>(),
                       sums.data_ptr(), type_of(sums), stream_of(x));
  return sums;
}

}  // namespace

torch::Tensor bias_gradient(const torch::Tensor& dy, bool goes_to_optimizer) {
  if (!goes_to_optimizer) return sums_by_channel(dy);
  torch::Tensor sums;
  run_aside({dy}, [&] { sums = sums_by_channel(dy); });
  return sums;
}

torch::Tensor convolution_gradient(Gradient which, const torch::Tensor& dy, const torch::Tensor& x,
                                   const torch::Tensor& weight, std::int64_t stride,
                                   std::int64_t padding) {
  const bool input = which == Gradient::kInput;
  if (input && stride == 1) {
    const torch::Tensor dx = hopper_input_gradient(dy, x, weight, padding);
    if (dx.defined()) return dx;
  }
  const auto gradients = at::convolution_backward(
      dy, x, weight, std::nullopt, {stride, stride}, {padding, padding}, {1, 1},
      /*transposed=*/false, {0, 0}, /*groups=*/1, {input, !input, false});
  return input ? std::get<0>(gradients) : std::get<1>(gradients);
}

}  // namespace ddpm::ops
