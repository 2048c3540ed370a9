#include "ddpm/ops/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/kernels/resample.h"
#include "ddpm/kernels/residual.h"
#include "kernels.h"
#include "side_stream.h"

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

// One of the two gradients of a convolution without bias.
enum class Gradient { kInput, kWeight };
torch::Tensor convolution_gradient(Gradient which, const torch::Tensor& dy, const torch::Tensor& x,
                                   const torch::Tensor& weight, std::int64_t stride,
                                   std::int64_t padding) {
  const bool input = which == Gradient::kInput;
  const auto gradients = at::convolution_backward(
      dy, x, weight, std::nullopt, {stride, stride}, {padding, padding}, {1, 1},
      /*transposed=*/false, {0, 0}, /*groups=*/1, {input, !input, false});
  return input ? std::get<0>(gradients) : std::get<1>(gradients);
}

// Computes a weight's gradient beside what follows, if it goes straight to the optimiser.
template <class Compute>
torch::Tensor weight_gradient(bool goes_to_optimizer, const torch::Tensor& dy,
                              const torch::Tensor& x, const Compute& compute) {
  torch::Tensor gradient;
  if (goes_to_optimizer)
    run_aside({dy, x}, [&] { gradient = compute(); });
  else
    gradient = compute();
  return gradient;
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
                              : torch::conv2d(padded, filters, {}, o.stride, o.padding);
  if (y.size(1) == weight.size(0)) return y;
  return y.narrow(1, 0, weight.size(0)).contiguous(torch::MemoryFormat::ChannelsLast);
}

// [N*H*W,C]: a view of channels_last memory.
torch::Tensor pixels_of(const torch::Tensor& x) {
  return x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
}

// x W1^T + skip W2^T + bias, W = [W1 W2]; skip and bias may be undefined. `weight` may have further
// dimensions of size one, like that of a 1x1 convolution.
class LinearFunction : public Function<LinearFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const OptionalTensor& skip, const torch::Tensor& weight,
                               const OptionalTensor& bias) {
    context->save_for_backward({x, value_of(skip), weight});
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["is_leaf"] = weight.is_leaf();
    return multiply(x, value_of(skip), weight, value_of(bias));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &skip = saved[1];
    const torch::Tensor weight = saved[2].flatten(1);
    const torch::Tensor dy = gradients[0].contiguous();
    const std::int64_t split = x.size(1);
    const torch::Tensor dweight =
        weight_gradient(context->saved_data["is_leaf"].toBool(), dy, x, [&] {
          torch::Tensor joint = torch::empty_like(weight);
          torch::Tensor first = joint.narrow(1, 0, split);
          torch::mm_out(first, dy.t(), x);
          if (skip.defined()) {
            torch::Tensor second = joint.narrow(1, split, skip.size(1));
            torch::mm_out(second, dy.t(), skip);
          }
          return joint;
        });
    torch::Tensor dskip;
    if (skip.defined()) dskip = torch::mm(dy, weight.narrow(1, split, skip.size(1)));
    const bool has_bias = context->saved_data["has_bias"].toBool();
    return {torch::mm(dy, weight.narrow(1, 0, split)), dskip, dweight.view_as(saved[2]),
            has_bias ? sums_by_channel(dy) : torch::Tensor()};
  }

  static torch::Tensor multiply(const torch::Tensor& x, const torch::Tensor& skip,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
    const std::int64_t split = x.size(1);
    const torch::Tensor matrix = weight.flatten(1);
    const torch::Tensor first = matrix.narrow(1, 0, split).t();
    torch::Tensor y = bias.defined() ? torch::addmm(bias, x, first) : torch::mm(x, first);
    if (skip.defined()) y.addmm_(skip, matrix.narrow(1, split, skip.size(1)).t());
    return y;
  }
};

torch::Tensor linear_by_kernels(const torch::Tensor& x, const torch::Tensor& skip,
                                const torch::Tensor& weight, const torch::Tensor& bias) {
  return torch::GradMode::is_enabled() ? LinearFunction::apply(x, maybe(skip), weight, maybe(bias))
                                       : LinearFunction::multiply(x, skip, weight, bias);
}

// Keeps the folded filters for the way back: folding them again costs more than their memory.
class UpsampleFunction : public Function<UpsampleFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias) {
    const torch::Tensor folded = fold(weight);
    context->save_for_backward({x, weight, folded});
    return convolve(x, folded, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1], &folded = saved[2];
    const torch::Tensor dy = channels_last(gradients[0]);
    const torch::Tensor dphases =
        torch::empty({x.size(0), folded.size(0), x.size(2) + 1, x.size(3) + 1}, x.options(),
                     torch::MemoryFormat::ChannelsLast);
    kernels::split_phases(dy.const_data_ptr(), dphases.data_ptr(), type_of(dy), shape_of(x, dy),
                          stream_of(dy));
    const torch::Tensor dweight = weight_gradient(/*goes_to_optimizer=*/true, dphases, x, [&] {
      const torch::Tensor dfolded =
          convolution_gradient(Gradient::kWeight, dphases, x, folded, 1, 1)
              .contiguous(torch::MemoryFormat::ChannelsLast);
      torch::Tensor filters = torch::empty_like(weight, torch::MemoryFormat::ChannelsLast);
      kernels::unfold_filters(dfolded.const_data_ptr(), filters.data_ptr(), type_of(filters),
                              weight.size(0), weight.size(1), stream_of(filters));
      return filters;
    });
    return {convolution_gradient(Gradient::kInput, dphases, x, folded, 1, 1), dweight,
            sums_by_channel(dy)};
  }

  // [4*C_out,C,2,2]
  static torch::Tensor fold(const torch::Tensor& weight) {
    const torch::Tensor filters = weight.contiguous(torch::MemoryFormat::ChannelsLast);
    torch::Tensor folded = torch::empty({4 * weight.size(0), weight.size(1), 2, 2},
                                        weight.options(), torch::MemoryFormat::ChannelsLast);
    kernels::fold_filters(filters.const_data_ptr(), folded.data_ptr(), type_of(weight),
                          weight.size(0), weight.size(1), stream_of(weight));
    return folded;
  }

  static torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& folded,
                                const torch::Tensor& bias) {
    const torch::Tensor phases = channels_last(torch::conv2d(x, folded, {}, 1, 1));
    const torch::Tensor y = torch::empty({x.size(0), bias.size(0), 2 * x.size(2), 2 * x.size(3)},
                                         x.options(), torch::MemoryFormat::ChannelsLast);
    kernels::join_phases(phases.const_data_ptr(), bias.const_data_ptr(), y.data_ptr(), type_of(y),
                         shape_of(x, y), stream_of(y));
    return y;
  }

 private:
  static kernels::PhaseShape shape_of(const torch::Tensor& x, const torch::Tensor& y) {
    return {.n = x.size(0), .height = x.size(2), .width = x.size(3), .channels = y.size(1)};
  }
};

// The same by LibTorch's operators; kernels/resample.h says what phases are.

// Along dimension `d` of a filter, size 3: for each phase its two taps, size 4.
torch::Tensor fold_taps(const torch::Tensor& filters, std::int64_t d) {
  const auto tap = [&](std::int64_t i) { return filters.select(d, i); };
  return torch::stack({tap(0), tap(1) + tap(2), tap(0) + tap(1), tap(2)}, d);
}

// [C_out,C,3,3] to [4*C_out,C,2,2].
torch::Tensor fold_filters(const torch::Tensor& weight) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  return fold_taps(fold_taps(weight, 2), 3)
      .view({out, in, 2, 2, 2, 2})
      .permute({2, 4, 0, 1, 3, 5})
      .reshape({4 * out, in, 2, 2})
      .contiguous(torch::MemoryFormat::ChannelsLast);
}

// [N,4*C,H+1,W+1] to [N,C,2H,2W].
class PhasesFunction : public Function<PhasesFunction> {
 public:
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& phases) {
    const torch::Tensor image = torch::empty(
        {phases.size(0), phases.size(1) / 4, 2 * (phases.size(2) - 1), 2 * (phases.size(3) - 1)},
        phases.options(), torch::MemoryFormat::ChannelsLast);
    for_each_phase(phases, image, [](torch::Tensor from, torch::Tensor to) { to.copy_(from); });
    return image;
  }

  static variable_list backward(AutogradContext*, variable_list gradients) {
    const torch::Tensor& image = gradients[0];
    const torch::Tensor phases = torch::zeros({image.size(0), 4 * image.size(1),
                                               image.size(2) / 2 + 1, image.size(3) / 2 + 1},
                                              image.options())
                                     .contiguous(torch::MemoryFormat::ChannelsLast);
    for_each_phase(phases, image, [](torch::Tensor to, torch::Tensor from) { to.copy_(from); });
    return {phases};
  }

 private:
  // Calls visit with a phase's own pixels on both sides.
  template <class Visit>
  static void for_each_phase(const torch::Tensor& phases, const torch::Tensor& image,
                             const Visit& visit) {
    const std::int64_t channels = image.size(1);
    for (const std::int64_t a : {0, 1})
      for (const std::int64_t b : {0, 1})
        visit(phases.narrow(1, (2 * a + b) * channels, channels)
                  .narrow(2, a, image.size(2) / 2)
                  .narrow(3, b, image.size(3) / 2),
              image.slice(2, a, std::nullopt, 2).slice(3, b, std::nullopt, 2));
  }
};

}  // namespace

torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, const ConvolutionOptions& options,
                          const torch::Tensor& residual) {
  if (use_kernels(x)) return add(convolution_by_kernels(x, weight, options), bias, residual);
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
    y = add(linear_by_kernels(pixels_of(x), skip_pixels, weight, {}), bias, pixels_of(residual));
  else
    y = linear_by_kernels(pixels_of(x), skip_pixels, weight, bias);
  return y.view({x.size(0), x.size(2), x.size(3), -1}).permute({0, 3, 1, 2});
}

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias) {
  if (!use_kernels(x) || !bias.defined()) return torch::linear(x, weight, bias);
  std::vector<std::int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return linear_by_kernels(x.reshape({-1, x.size(-1)}), {}, weight, bias).view(sizes);
}

torch::Tensor transposed_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias) {
  if (!x.device().is_cpu()) return torch::conv_transpose2d(x, weight, bias, 2, 1);
  // On the CPU the channels-last one takes several times as long.
  return torch::conv_transpose2d(x.contiguous(), weight.contiguous(), bias, 2, 1)
      .contiguous(torch::MemoryFormat::ChannelsLast);
}

torch::Tensor upsample_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias) {
  if (!use_kernels(x)) {
    const torch::Tensor phases = torch::conv2d(x, fold_filters(weight), {}, 1, 1);
    return PhasesFunction::apply(phases) + bias.view({1, -1, 1, 1});
  }
  const torch::Tensor small = channels_last(x);
  return torch::GradMode::is_enabled()
             ? UpsampleFunction::apply(small, weight, bias)
             : UpsampleFunction::convolve(small, UpsampleFunction::fold(weight), bias);
}

}  // namespace ddpm::ops
