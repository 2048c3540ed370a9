#include "ddpm/ops/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/kernels/add_bias.h"
#include "ddpm/kernels/residual_convolution.h"
#include "ddpm/ops/linear.h"
#include "hopper_convolution.h"
#include "layer_gradients.h"
#include "product.h"
#include "winograd.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Appends zeros to a dimension, up to a multiple of eight: tensor cores need channels in vectors of
// eight, and images have three.
torch::Tensor pad_to_vector(const torch::Tensor& x, std::int64_t dimension) {
  const std::int64_t missing = (8 - x.size(dimension) % 8) % 8;
  if (missing == 0) return x;
  std::vector<std::int64_t> pad(static_cast<std::size_t>(2 * (x.dim() - dimension)), 0);
  pad.back() = missing;
  return torch::constant_pad_nd(x, pad);
}

// Computes y += bias + residual in one pass; either may be undefined.
void add_in_place(const torch::Tensor& y, const torch::Tensor& bias,
                  const torch::Tensor& residual) {
  kernels::add_bias(y.const_data_ptr(), data(bias), data(residual), y.data_ptr(), type_of(y),
                    y.numel() / y.size(1), y.size(1), stream_of(y));
}

// A 3x3 convolution that adds bias and residual before it rounds. The result is undefined if cuDNN
// has no kernel for it.
torch::Tensor residual_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, const torch::Tensor& residual) {
  if (x.scalar_type() != torch::kBFloat16) return {};
  const kernels::ResidualConvolutionShape shape{.n = x.size(0),
                                                .height = x.size(2),
                                                .width = x.size(3),
                                                .channels = x.size(1),
                                                .outputs = weight.size(0)};
  const std::int64_t bytes = kernels::residual_convolution_workspace(shape);
  if (bytes < 0) return {};
  const torch::Tensor scratch = torch::empty({bytes}, x.options().dtype(torch::kUInt8));
  torch::Tensor y = torch::empty_like(residual);
  kernels::residual_convolution(shape,
                                {.x = x.const_data_ptr(),
                                 .weight = weight.const_data_ptr(),
                                 .residual = residual.const_data_ptr(),
                                 .bias = bias.const_data_ptr(),
                                 .y = y.data_ptr(),
                                 .workspace = scratch.data_ptr()},
                                stream_of(x));
  return y;
}

class ConvolutionFunction : public Function<ConvolutionFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const OptionalTensor& bias,
                               const OptionalTensor& residual, std::int64_t stride,
                               std::int64_t padding) {
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["weight_is_leaf"] = weight.is_leaf();
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["bias_is_leaf"] = bias.has_value() && bias->is_leaf();
    context->saved_data["has_residual"] = residual.has_value();
    return convolve(x, weight, value_of(bias), value_of(residual), stride, padding);
  }

  static torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight,
                                const torch::Tensor& bias, const torch::Tensor& residual,
                                std::int64_t stride, std::int64_t padding) {
    const std::int64_t height = (x.size(2) + 2 * padding - weight.size(2)) / stride + 1;
    const std::int64_t width = (x.size(3) + 2 * padding - weight.size(3)) / stride + 1;
    const torch::Tensor in_one_round = hopper_convolution(x, weight, stride, padding, height, width,
                                                          {.bias = bias, .residual = residual});
    if (in_one_round.defined()) return in_one_round;
    const bool is_3x3 = weight.size(2) == 3 && weight.size(3) == 3 && padding == 1;
    if (is_3x3 && unfolding_wins(x, weight, stride))
      return unfolded_convolution(x, weight, bias, stride, padding, height, width, residual);
    if (is_3x3 && stride == 1 && bias.defined() && residual.defined()) {
      const torch::Tensor y = residual_convolution(x, weight, bias, residual);
      if (y.defined()) return y;
    }
    const torch::Tensor y = channels_last(torch::conv2d(x, weight, {}, stride, padding));
    if (bias.defined() || residual.defined()) add_in_place(y, bias, residual);
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1];
    const auto flag = [&](const char* name) { return context->saved_data[name].toBool(); };
    const torch::Tensor dy = channels_last(gradients[0]);
    const auto gradient = [&](Gradient which) {
      return convolution_gradient(which, dy, x, weight, context->saved_data["stride"].toInt(),
                                  context->saved_data["padding"].toInt());
    };
    torch::Tensor dx, dbias, dresidual;
    if (flag("has_bias")) dbias = bias_gradient(dy, flag("bias_is_leaf"));
    if (flag("has_residual")) dresidual = dy;
    const torch::Tensor dweight =
        weight_gradient(flag("weight_is_leaf"), dy, x, [&] { return gradient(Gradient::kWeight); });
    if (context->needs_input_grad(0)) dx = gradient(Gradient::kInput);
    return {dx, dweight, dbias, dresidual, torch::Tensor(), torch::Tensor()};
  }
};

torch::Tensor convolution_by_kernels(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias, const torch::Tensor& residual,
                                     const ConvolutionOptions& o) {
  const torch::Tensor padded = pad_to_vector(x, 1).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor filters =
      pad_to_vector(pad_to_vector(weight, 1), 0).contiguous(torch::MemoryFormat::ChannelsLast);
  // Padded output channels must be cut off before bias and residual are added.
  const bool exact = filters.size(0) == weight.size(0);
  const torch::Tensor fused_bias = exact ? bias : torch::Tensor();
  const torch::Tensor fused_residual =
      exact && residual.defined() ? channels_last(residual) : torch::Tensor();
  torch::Tensor y = torch::GradMode::is_enabled()
                        ? ConvolutionFunction::apply(padded, filters, maybe(fused_bias),
                                                     maybe(fused_residual), o.stride, o.padding)
                        : ConvolutionFunction::convolve(padded, filters, fused_bias, fused_residual,
                                                        o.stride, o.padding);
  if (exact) return y;
  y = y.narrow(1, 0, weight.size(0)).contiguous(torch::MemoryFormat::ChannelsLast);
  if (bias.defined()) y = y + bias.view({1, -1, 1, 1});
  return residual.defined() ? y + residual : y;
}

}  // namespace

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, const ConvolutionOptions& options,
                          const torch::Tensor& residual) {
  if (use_kernels(x)) return convolution_by_kernels(x, weight, bias, residual, options);
  if (winograd_wins(x, weight, options)) return winograd_convolution(x, weight, bias, residual);
  const torch::Tensor y = torch::conv2d(x, weight, bias, options.stride, options.padding);
  return residual.defined() ? residual + y : y;
}

torch::Tensor convolution_with_shortcut(const torch::Tensor& x, const torch::Tensor& weight,
                                        const torch::Tensor& bias, const Shortcut& s) {
  if (!torch::GradMode::is_enabled() && use_kernels(x)) {
    const torch::Tensor y = hopper_convolution(x, weight, /*stride=*/1, /*padding=*/1, x.size(2),
                                               x.size(3), {.bias = bias, .shortcut = s});
    if (y.defined()) return y;
  }
  return pointwise_convolution(s.x, s.skip, s.weight, s.bias,
                               {.value = convolution(x, weight), .bias = bias});
}

}  // namespace ddpm::ops
