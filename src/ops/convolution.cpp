#include "ddpm/ops/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/kernels/residual.h"
#include "layer_gradients.h"
#include "product.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// y + bias + residual, one pass; y is a fresh result and is overwritten.
torch::Tensor add_in_place(const torch::Tensor& y, const torch::Tensor& bias,
                           const torch::Tensor& residual) {
  kernels::add_bias(y.const_data_ptr(), data(bias), data(residual), y.data_ptr(), type_of(y),
                    y.numel() / y.size(1), y.size(1), stream_of(y));
  return y;
}

class AddFunction : public Function<AddFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& y,
                               const OptionalTensor& bias, const OptionalTensor& residual) {
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["bias_is_leaf"] = bias.has_value() && bias->is_leaf();
    context->saved_data["has_residual"] = residual.has_value();
    context->mark_dirty({y});
    return add_in_place(y, value_of(bias), value_of(residual));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const torch::Tensor dy = as_rows(gradients[0]);
    const bool has_bias = context->saved_data["has_bias"].toBool();
    const bool bias_is_leaf = context->saved_data["bias_is_leaf"].toBool();
    const bool has_residual = context->saved_data["has_residual"].toBool();
    return {dy, has_bias ? bias_gradient(dy, bias_is_leaf) : torch::Tensor(),
            has_residual ? dy : torch::Tensor()};
  }
};

torch::Tensor add(const torch::Tensor& y, const torch::Tensor& bias,
                  const torch::Tensor& residual) {
  if (!bias.defined() && !residual.defined()) return y;
  const torch::Tensor other = residual.defined() ? as_rows(residual) : residual;
  return torch::GradMode::is_enabled() ? AddFunction::apply(y, maybe(bias), maybe(other))
                                       : add_in_place(y, bias, other);
}

// Zeros after the last index of a dimension, up to a multiple of eight: tensor cores want channels
// by the vector, and images have three.
torch::Tensor pad_to_vector(const torch::Tensor& x, std::int64_t dimension) {
  const std::int64_t missing = (8 - x.size(dimension) % 8) % 8;
  if (missing == 0) return x;
  std::vector<std::int64_t> pad(static_cast<std::size_t>(2 * (x.dim() - dimension)), 0);
  pad.back() = missing;
  return torch::constant_pad_nd(x, pad);
}

class ConvolutionFunction : public Function<ConvolutionFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, std::int64_t stride,
                               std::int64_t padding) {
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["is_leaf"] = weight.is_leaf();
    return convolve(x, weight, stride, padding);
  }

  static torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight,
                                std::int64_t stride, std::int64_t padding) {
    if (weight.size(2) == 3 && padding == 1 && unfolding_wins(x, weight, stride))
      return unfolded_convolution(x, weight, {}, stride, padding, (x.size(2) - 1) / stride + 1,
                                  (x.size(3) - 1) / stride + 1);
    return torch::conv2d(x, weight, {}, stride, padding);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1];
    const torch::Tensor dy = channels_last(gradients[0]);
    const auto gradient = [&](Gradient which) {
      return convolution_gradient(which, dy, x, weight, context->saved_data["stride"].toInt(),
                                  context->saved_data["padding"].toInt());
    };
    torch::Tensor dweight = weight_gradient(context->saved_data["is_leaf"].toBool(), dy, x,
                                            [&] { return gradient(Gradient::kWeight); });
    torch::Tensor dx;
    if (context->needs_input_grad(0)) dx = gradient(Gradient::kInput);
    return {dx, dweight, torch::Tensor(), torch::Tensor()};
  }
};

torch::Tensor convolution_by_kernels(const torch::Tensor& x, const torch::Tensor& weight,
                                     const ConvolutionOptions& o) {
  const torch::Tensor padded = pad_to_vector(x, 1).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor filters =
      pad_to_vector(pad_to_vector(weight, 1), 0).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor y = torch::GradMode::is_enabled()
                              ? ConvolutionFunction::apply(padded, filters, o.stride, o.padding)
                              : ConvolutionFunction::convolve(padded, filters, o.stride, o.padding);
  if (y.size(1) == weight.size(0)) return y;
  return y.narrow(1, 0, weight.size(0)).contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, const ConvolutionOptions& options,
                          const torch::Tensor& residual) {
  if (use_kernels(x)) return add(convolution_by_kernels(x, weight, options), bias, residual);
  const torch::Tensor y = torch::conv2d(x, weight, bias, options.stride, options.padding);
  return residual.defined() ? residual + y : y;
}

}  // namespace ddpm::ops
