#include "ddpm/ops/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

#include "layer_gradients.h"
#include "product.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// The terms of y = x W1^T + skip W2^T + bias + residual, W = [W1 W2], on matrices of rows. `weight`
// may have further dimensions of size one, like that of a 1x1 convolution.
struct Terms {
  torch::Tensor x, skip, weight, bias;
  Residual residual;
};

torch::Tensor multiply(const Terms& t) {
  const torch::Tensor matrix = t.weight.flatten(1);
  const std::int64_t split = t.x.size(1);
  torch::Tensor y = torch::empty({t.x.size(0), matrix.size(0)}, t.x.options());
  const torch::Tensor first = matrix.narrow(1, 0, split);
  if (!t.skip.defined()) {
    const torch::Tensor bias = t.residual.bias.defined() ? t.bias + t.residual.bias : t.bias;
    multiply_into(y, t.x, first, t.residual.value, bias);
    return y;
  }
  multiply_into(y, t.x, first, t.residual.value, t.residual.bias);
  multiply_into(y, t.skip, matrix.narrow(1, split, t.skip.size(1)), y, t.bias);
  return y;
}

class LinearFunction : public Function<LinearFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const OptionalTensor& skip, const torch::Tensor& weight,
                               const OptionalTensor& bias, const OptionalTensor& residual,
                               const OptionalTensor& residual_bias) {
    context->save_for_backward({x, value_of(skip), weight});
    context->saved_data["weight_is_leaf"] = weight.is_leaf();
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["has_residual"] = residual.has_value();
    context->saved_data["has_residual_bias"] = residual_bias.has_value();
    context->saved_data["biases_are_leaves"] =
        (!bias.has_value() || bias->is_leaf()) && (!residual_bias || residual_bias->is_leaf());
    return multiply(
        {x, value_of(skip), weight, value_of(bias), {value_of(residual), value_of(residual_bias)}});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto flag = [&](const char* name) { return context->saved_data[name].toBool(); };
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &skip = saved[1];
    const torch::Tensor weight = saved[2].flatten(1);
    const torch::Tensor dy = gradients[0].contiguous();
    const std::int64_t split = x.size(1);
    const torch::Tensor dweight = weight_gradient(flag("weight_is_leaf"), dy, x, [&] {
      torch::Tensor joint = torch::empty_like(weight, torch::MemoryFormat::Contiguous);
      torch::Tensor first = joint.narrow(1, 0, split);
      torch::mm_out(first, dy.t(), x);
      if (skip.defined()) {
        torch::Tensor second = joint.narrow(1, split, skip.size(1));
        torch::mm_out(second, dy.t(), skip);
      }
      return joint;
    });
    torch::Tensor dskip, dbias;
    if (skip.defined()) dskip = torch::mm(dy, weight.narrow(1, split, skip.size(1)));
    if (flag("has_bias") || flag("has_residual_bias"))
      dbias = bias_gradient(dy, flag("biases_are_leaves"));
    const auto if_there = [&](const char* name, const torch::Tensor& gradient) {
      return flag(name) ? gradient : torch::Tensor();
    };
    torch::Tensor dx;
    if (context->needs_input_grad(0)) dx = torch::mm(dy, weight.narrow(1, 0, split));
    return {dx,
            dskip,
            dweight.view_as(saved[2]),
            if_there("has_bias", dbias),
            if_there("has_residual", dy),
            if_there("has_residual_bias", dbias)};
  }
};

torch::Tensor apply(const Terms& t) {
  return torch::GradMode::is_enabled()
             ? LinearFunction::apply(t.x, maybe(t.skip), t.weight, maybe(t.bias),
                                     maybe(t.residual.value), maybe(t.residual.bias))
             : multiply(t);
}

// --- Joining -------------------------------------------------------------------------------------

// Whether each part begins where the one before it ends.
bool are_adjacent(const std::vector<torch::Tensor>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const torch::Tensor& part = parts[i];
    if (!part.is_contiguous() || part.storage().data() != parts[0].storage().data()) return false;
    if (i > 0 && part.storage_offset() != parts[i - 1].storage_offset() + parts[i - 1].numel())
      return false;
  }
  return true;
}

class JoinFunction : public Function<JoinFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const at::TensorList& parts) {
    std::vector<std::int64_t> lengths, sizes = parts[0].sizes().vec();
    for (const torch::Tensor& part : parts) lengths.push_back(part.size(0));
    sizes[0] = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    context->saved_data["lengths"] = lengths;
    // This is not a view for autograd, which would watch it for changes.
    torch::Tensor whole = torch::empty({0}, parts[0].options());
    return whole.set_(parts[0].storage(), parts[0].storage_offset(), sizes);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return gradients[0].split_with_sizes(context->saved_data["lengths"].toIntVector(), 0);
  }
};

}  // namespace

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     const torch::Tensor& residual) {
  if (!use_kernels(x) || !bias.defined()) {
    const torch::Tensor y = torch::linear(x, weight, bias);
    return residual.defined() ? residual + y : y;
  }
  const auto rows_of = [](const torch::Tensor& t) {
    return t.defined() ? t.reshape({-1, t.size(-1)}) : t;
  };
  std::vector<std::int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return apply({rows_of(x), {}, weight, bias, {.value = rows_of(residual)}}).view(sizes);
}

torch::Tensor pointwise_convolution(const torch::Tensor& x, const torch::Tensor& skip,
                                    const torch::Tensor& weight, const torch::Tensor& bias,
                                    const Residual& residual) {
  if (!use_kernels(x)) {
    const torch::Tensor y = torch::conv2d(skip.defined() ? torch::cat({x, skip}, 1) : x,
                                          weight.view({weight.size(0), weight.size(1), 1, 1}),
                                          residual.bias.defined() ? bias + residual.bias : bias);
    return residual.value.defined() ? residual.value + y : y;
  }
  const auto pixels_or_none = [](const torch::Tensor& t) { return t.defined() ? pixels_of(t) : t; };
  const torch::Tensor y = apply({pixels_of(x),
                                 pixels_or_none(skip),
                                 weight,
                                 bias,
                                 {pixels_or_none(residual.value), residual.bias}});
  return y.view({x.size(0), x.size(2), x.size(3), -1}).permute({0, 3, 1, 2});
}

torch::Tensor join(const std::vector<torch::Tensor>& parts) {
  return are_adjacent(parts) ? JoinFunction::apply(at::TensorList(parts)) : torch::cat(parts);
}

}  // namespace ddpm::ops
