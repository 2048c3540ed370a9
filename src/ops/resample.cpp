#include "ddpm/ops/resample.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ddpm/kernels/resample.h"
#include "ddpm/ops/convolution.h"
#include "hopper_convolution.h"
#include "layer_gradients.h"
#include "product.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Returns [N,C,to_height,to_width]: x moved by `offset` pixels in both directions, plus bias if
// defined.
torch::Tensor shift_window(const torch::Tensor& x, const torch::Tensor& bias, std::int64_t height,
                           std::int64_t width, std::int64_t offset) {
  const torch::Tensor y = torch::empty({x.size(0), x.size(1), height, width}, x.options(),
                                       torch::MemoryFormat::ChannelsLast);
  kernels::shift_window(x.const_data_ptr(), data(bias), y.data_ptr(), type_of(x),
                        {.n = x.size(0),
                         .from_height = x.size(2),
                         .from_width = x.size(3),
                         .to_height = height,
                         .to_width = width,
                         .channels = x.size(1),
                         .offset = offset},
                        stream_of(x));
  return y;
}

// cuDNN cannot pad only right and bottom. With a padding of two on every side, the result has one
// row and one column too many at its beginning. Leaving them out is cheaper than making a padded
// copy of x.
class AsymmetricDownsampleFunction : public Function<AsymmetricDownsampleFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["weight_is_leaf"] = weight.is_leaf();
    context->saved_data["bias_is_leaf"] = bias.is_leaf();
    return convolve(x, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &x = saved[0], &weight = saved[1];
    const torch::Tensor dy = channels_last(gradients[0]);
    const torch::Tensor dwide =
        shift_window(dy, {}, wide_size(x.size(2)), wide_size(x.size(3)), -1);
    const torch::Tensor dweight = weight_gradient(
        context->saved_data["weight_is_leaf"].toBool(), dwide, x,
        [&] { return convolution_gradient(Gradient::kWeight, dwide, x, weight, 2, 2); });
    return {convolution_gradient(Gradient::kInput, dwide, x, weight, 2, 2), dweight,
            bias_gradient(dy, context->saved_data["bias_is_leaf"].toBool())};
  }

  static torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight,
                                const torch::Tensor& bias) {
    const torch::Tensor y =
        hopper_convolution(x, weight, 2, 0, x.size(2) / 2, x.size(3) / 2, {.bias = bias});
    if (y.defined()) return y;
    if (unfolding_wins(x, weight, 2))
      return unfolded_convolution(x, weight, bias, 2, 0, x.size(2) / 2, x.size(3) / 2);
    const torch::Tensor wide = channels_last(torch::conv2d(x, weight, {}, 2, 2));
    return shift_window(wide, bias, x.size(2) / 2, x.size(3) / 2, 1);
  }

 private:
  static std::int64_t wide_size(std::int64_t side) { return (side + 1) / 2 + 1; }
};

// Keeps the folded filters for the backward pass: folding them again costs more than their memory.
class UpsampleFunction : public Function<UpsampleFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& bias) {
    const torch::Tensor folded = fold(weight);
    context->save_for_backward({x, weight, folded});
    context->saved_data["weight_is_leaf"] = weight.is_leaf();
    context->saved_data["bias_is_leaf"] = bias.is_leaf();
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
    const torch::Tensor dweight =
        weight_gradient(context->saved_data["weight_is_leaf"].toBool(), dphases, x, [&] {
          const torch::Tensor dfolded =
              convolution_gradient(Gradient::kWeight, dphases, x, folded, 1, 1)
                  .contiguous(torch::MemoryFormat::ChannelsLast);
          torch::Tensor filters = torch::empty_like(weight, torch::MemoryFormat::ChannelsLast);
          kernels::unfold_filters(dfolded.const_data_ptr(), filters.data_ptr(), type_of(filters),
                                  weight.size(0), weight.size(1), stream_of(filters));
          return filters;
        });
    return {convolution_gradient(Gradient::kInput, dphases, x, folded, 1, 1), dweight,
            bias_gradient(dy, context->saved_data["bias_is_leaf"].toBool())};
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
    const torch::Tensor joined = hopper_upsample(x, folded, bias);
    if (joined.defined()) return joined;
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

// The same by LibTorch's operators. kernels/resample.h explains phases.

// Folds dimension `d` of filters from size 3 to size 4: two taps for each phase.
torch::Tensor fold_taps(const torch::Tensor& filters, std::int64_t d) {
  const auto tap = [&](std::int64_t i) { return filters.select(d, i); };
  return torch::stack({tap(0), tap(1) + tap(2), tap(0) + tap(1), tap(2)}, d);
}

// Folds [C_out,C,3,3] to [4*C_out,C,2,2].
torch::Tensor fold_filters(const torch::Tensor& weight) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  return fold_taps(fold_taps(weight, 2), 3)
      .view({out, in, 2, 2, 2, 2})
      .permute({2, 4, 0, 1, 3, 5})
      .reshape({4 * out, in, 2, 2})
      .contiguous(torch::MemoryFormat::ChannelsLast);
}

// Joins the phases [N,4*C,H+1,W+1] to [N,C,2H,2W].
class PhasesFunction : public Function<PhasesFunction> {
 public:
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& phases) {
    const torch::Tensor image = torch::empty(
        {phases.size(0), phases.size(1) / 4, 2 * (phases.size(2) - 1), 2 * (phases.size(3) - 1)},
        phases.options(), torch::MemoryFormat::ChannelsLast);
    for_each_phase(phases, image,
                   [](const torch::Tensor& from, const torch::Tensor& to) { to.copy_(from); });
    return image;
  }

  static variable_list backward(AutogradContext*, variable_list gradients) {
    const torch::Tensor& image = gradients[0];
    const torch::Tensor phases = torch::zeros({image.size(0), 4 * image.size(1),
                                               image.size(2) / 2 + 1, image.size(3) / 2 + 1},
                                              image.options())
                                     .contiguous(torch::MemoryFormat::ChannelsLast);
    for_each_phase(phases, image,
                   [](const torch::Tensor& to, const torch::Tensor& from) { to.copy_(from); });
    return {phases};
  }

 private:
  // Calls visit with the pixels of each phase in both tensors.
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

torch::Tensor downsample_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias, DownsamplePadding padding) {
  if (padding == DownsamplePadding::kSymmetric)
    return convolution(x, weight, bias, {.stride = 2, .padding = 1});
  const bool vectors = x.size(1) % 8 == 0 && weight.size(0) % 8 == 0;  // see convolution()
  if (!use_kernels(x) || !vectors)
    return convolution(torch::constant_pad_nd(x, {0, 1, 0, 1}), weight, bias,
                       {.stride = 2, .padding = 0});
  const torch::Tensor filters = weight.contiguous(torch::MemoryFormat::ChannelsLast);
  return torch::GradMode::is_enabled()
             ? AsymmetricDownsampleFunction::apply(channels_last(x), filters, bias)
             : AsymmetricDownsampleFunction::convolve(channels_last(x), filters, bias);
}

torch::Tensor transposed_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias) {
  if (!x.device().is_cpu()) return torch::conv_transpose2d(x, weight, bias, 2, 1);
  // On the CPU the channels_last version takes several times as long.
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
