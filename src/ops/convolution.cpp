#include "ddpm/ops/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/kernels/resample.h"
#include "ddpm/kernels/residual.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Memory as rows of channels: of pixels, or of any matrix.
torch::Tensor as_rows(const torch::Tensor& x) {
  return x.dim() == 4 ? channels_last(x) : x.contiguous();
}

// [C]: sums over all rows of x [rows,C], or all pixels of x [N,C,H,W].
torch::Tensor sums_by_channel(const torch::Tensor& x) {
  const std::int64_t channels = x.size(1);
  const std::int64_t rows = x.numel() / channels;
  torch::Tensor sums = torch::empty({channels}, x.options());
  const torch::Tensor partials = workspace(kernels::column_sums_workspace(rows, channels), x);
  kernels::column_sums(x.const_data_ptr(), type_of(x), rows, channels, partials.data_ptr<float>(),
                       sums.data_ptr(), type_of(sums), stream_of(x));
  return sums;
}

// y + bias + residual, one pass; y is a fresh result and is overwritten.
torch::Tensor add_in_place(const torch::Tensor& y, const torch::Tensor& bias,
                           const torch::Tensor& residual) {
  kernels::add_bias(y.const_data_ptr(), bias.defined() ? bias.const_data_ptr() : nullptr,
                    residual.defined() ? residual.const_data_ptr() : nullptr, y.data_ptr(),
                    type_of(y), y.numel() / y.size(1), y.size(1), stream_of(y));
  return y;
}

class AddFunction : public Function<AddFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& y,
                               const OptionalTensor& bias, const OptionalTensor& residual) {
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["has_residual"] = residual.has_value();
    context->mark_dirty({y});
    return add_in_place(y, value_of(bias), value_of(residual));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const torch::Tensor dy = as_rows(gradients[0]);
    const bool has_bias = context->saved_data["has_bias"].toBool();
    const bool has_residual = context->saved_data["has_residual"].toBool();
    return {dy, has_bias ? sums_by_channel(dy) : torch::Tensor(),
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

torch::Tensor padded_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 const ConvolutionOptions& o) {
  const torch::Tensor padded = pad_to_vector(x, 1).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor filters =
      pad_to_vector(pad_to_vector(weight, 1), 0).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor y = torch::conv2d(padded, filters, {}, o.stride, o.padding);
  if (y.size(1) == weight.size(0)) return y;
  return y.narrow(1, 0, weight.size(0)).contiguous(torch::MemoryFormat::ChannelsLast);
}

// [N*H*W,C]: a view of channels_last memory.
torch::Tensor pixels_of(const torch::Tensor& x) {
  return x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
}

// x W1^T + skip W2^T + bias, W = [W1 W2]; skip and bias may be undefined.
class LinearFunction : public Function<LinearFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const OptionalTensor& skip, const torch::Tensor& weight,
                               const OptionalTensor& bias) {
    context->save_for_backward({x, value_of(skip), weight});
    context->saved_data["has_bias"] = bias.has_value();
    return multiply(x, value_of(skip), weight, value_of(bias));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &skip = saved[1], &weight = saved[2];
    const torch::Tensor dy = gradients[0].contiguous();
    const std::int64_t split = x.size(1);
    torch::Tensor dweight = torch::empty_like(weight);
    torch::Tensor dweight1 = dweight.narrow(1, 0, split);
    torch::mm_out(dweight1, dy.t(), x);
    torch::Tensor dskip;
    if (skip.defined()) {
      torch::Tensor dweight2 = dweight.narrow(1, split, skip.size(1));
      torch::mm_out(dweight2, dy.t(), skip);
      dskip = torch::mm(dy, weight.narrow(1, split, skip.size(1)));
    }
    const bool has_bias = context->saved_data["has_bias"].toBool();
    return {torch::mm(dy, weight.narrow(1, 0, split)), dskip, dweight,
            has_bias ? sums_by_channel(dy) : torch::Tensor()};
  }

  static torch::Tensor multiply(const torch::Tensor& x, const torch::Tensor& skip,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
    const std::int64_t split = x.size(1);
    const torch::Tensor weight1 = weight.narrow(1, 0, split).t();
    torch::Tensor y = bias.defined() ? torch::addmm(bias, x, weight1) : torch::mm(x, weight1);
    if (skip.defined()) y.addmm_(skip, weight.narrow(1, split, skip.size(1)).t());
    return y;
  }
};

torch::Tensor linear_by_kernels(const torch::Tensor& x, const torch::Tensor& skip,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
  return torch::GradMode::is_enabled() ? LinearFunction::apply(x, maybe(skip), weight, maybe(bias))
                                       : LinearFunction::multiply(x, skip, weight, bias);
}

class UpsampleFunction : public Function<UpsampleFunction> {
 public:
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& x) {
    const std::int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
    torch::Tensor y =
        torch::empty({n, c, 2 * h, 2 * w}, x.options(), torch::MemoryFormat::ChannelsLast);
    kernels::upsample_nearest(x.const_data_ptr(), y.data_ptr(), type_of(x), n, h, w, c,
                              stream_of(x));
    return y;
  }

  static variable_list backward(AutogradContext*, variable_list gradients) {
    const torch::Tensor dy = channels_last(gradients[0]);
    const std::int64_t n = dy.size(0), c = dy.size(1), h = dy.size(2) / 2, w = dy.size(3) / 2;
    torch::Tensor dx = torch::empty({n, c, h, w}, dy.options(), torch::MemoryFormat::ChannelsLast);
    kernels::upsample_nearest_backward(dy.const_data_ptr(), dx.data_ptr(), type_of(dy), n, h, w, c,
                                       stream_of(dy));
    return {dx};
  }
};

}  // namespace

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, const ConvolutionOptions& options,
                          const torch::Tensor& residual) {
  if (use_kernels(x)) return add(padded_convolution(x, weight, options), bias, residual);
  const torch::Tensor y = torch::conv2d(x, weight, bias, options.stride, options.padding);
  return residual.defined() ? residual + y : y;
}

torch::Tensor pointwise_convolution(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& weight, const torch::Tensor& bias,
                                    const torch::Tensor& residual) {
  if (!use_kernels(x)) {
    const torch::Tensor y =
        torch::conv2d(skip.defined() ? torch::cat({x, skip}, 1) : x, weight, bias);
    return residual.defined() ? residual + y : y;
  }
  const torch::Tensor skip_pixels = skip.defined() ? pixels_of(skip) : skip;
  torch::Tensor y;
  if (residual.defined())
    y = add(linear_by_kernels(pixels_of(x), skip_pixels, weight.flatten(1), {}), bias,
            pixels_of(residual));
  else
    y = linear_by_kernels(pixels_of(x), skip_pixels, weight.flatten(1), bias);
  return y.view({x.size(0), x.size(2), x.size(3), -1}).permute({0, 3, 1, 2});
}

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias) {
  if (!use_kernels(x) || !bias.defined()) return torch::linear(x, weight, bias);
  std::vector<std::int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return linear_by_kernels(x.reshape({-1, x.size(-1)}), {}, weight, bias).view(sizes);
}

torch::Tensor upsample_nearest(const torch::Tensor& x) {
  if (use_kernels(x)) return UpsampleFunction::apply(channels_last(x));
  return torch::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
}

}  // namespace ddpm::ops
