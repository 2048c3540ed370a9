#include "ddpm/ops/image_convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "ddpm/kernels/image_convolution.h"
#include "ddpm/ops/convolution.h"
#include "ddpm/ops/linear.h"
#include "kernels.h"
#include "product.h"

namespace ddpm::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr std::int64_t kMaxChannels = 7;  // of an image; with 8 or more, other convolutions do well

constexpr std::int64_t kTaps = 9;

kernels::ImageShape shape_of(const torch::Tensor& image) {
  return {.n = image.size(0),
          .channels = image.size(1),
          .height = image.size(2),
          .width = image.size(3)};
}

// Multiplies each pixel by all taps of all filters, into planes [C*9,N*H*W], then sums the products
// that belong to the same output.
class ToImageFunction : public Function<ToImageFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& features,
                               const torch::Tensor& weight, const torch::Tensor& bias) {
    context->save_for_backward({features, weight});
    return convolve(features, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &features = saved[0], &weight = saved[1];
    const torch::Tensor dimage = gradients[0].to(torch::kFloat32).contiguous();
    const torch::Tensor pixels = pixels_of(features), taps = taps_of(weight);
    const torch::Tensor dplanes = torch::empty({taps.size(0), pixels.size(0)}, features.options());
    kernels::fold_image_backward(dimage.const_data_ptr<float>(), dplanes.data_ptr(),
                                 type_of(dplanes), shape_of(dimage), stream_of(dimage));
    const torch::Tensor dfeatures =
        torch::mm(dplanes.t(), taps)
            .view({features.size(0), features.size(2), features.size(3), features.size(1)})
            .permute({0, 3, 1, 2});
    const torch::Tensor dweight = torch::mm(dplanes, pixels)
                                      .view({weight.size(0), 3, 3, weight.size(1)})
                                      .permute({0, 3, 1, 2});
    return {dfeatures, dweight, dimage.sum({0, 2, 3}).to(weight.scalar_type())};
  }

  static torch::Tensor convolve(const torch::Tensor& features, const torch::Tensor& weight,
                                const torch::Tensor& bias) {
    const auto float32 = torch::TensorOptions(torch::kFloat32).device(features.device());
    const torch::Tensor pixels = pixels_of(features), taps = taps_of(weight);
    const torch::Tensor planes = torch::empty({taps.size(0), pixels.size(0)}, float32);
    multiply_into(planes, taps, pixels);
    const torch::Tensor image = torch::empty(
        {features.size(0), weight.size(0), features.size(2), features.size(3)}, float32);
    kernels::fold_image(planes.const_data_ptr<float>(), bias.const_data_ptr(), type_of(bias),
                        image.data_ptr<float>(), shape_of(image), stream_of(image));
    return image;
  }

 private:
  // [C*9,C_in] as a view of channels_last memory.
  static torch::Tensor taps_of(const torch::Tensor& weight) {
    return weight.permute({0, 2, 3, 1}).reshape({-1, weight.size(1)});
  }
};

// Whether the image has few enough channels and pixels for the kernels.
bool takes(const torch::Tensor& x, std::int64_t channels) {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int32_t>::max();
  return channels <= kMaxChannels &&
         x.size(0) * x.size(2) * x.size(3) <= kLimit / (kTaps * channels);
}

}  // namespace

torch::Tensor convolution_from_image(const torch::Tensor& image, const torch::Tensor& weight,
                                     const torch::Tensor& bias) {
  const std::int64_t channels = weight.size(1);
  const bool plain = image.scalar_type() == torch::kFloat32 && !image.requires_grad();
  if (!use_kernels(weight) || !plain || !takes(image, channels))
    return convolution(image.to(weight.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast),
                       weight, bias);
  const std::int64_t used = kTaps * channels, columns = (used + 7) / 8 * 8;
  const torch::Tensor rows =
      torch::empty({image.size(0) * image.size(2) * image.size(3), columns},
                   torch::TensorOptions(weight.scalar_type()).device(image.device()));
  const torch::Tensor source = image.contiguous();
  kernels::unfold_image(source.const_data_ptr<float>(), rows.data_ptr(), type_of(rows), columns,
                        shape_of(source), stream_of(rows));
  const torch::Tensor filters =
      torch::constant_pad_nd(rows_of_filters(weight), {0, columns - used});
  return linear(rows, filters, bias)
      .view({image.size(0), image.size(2), image.size(3), weight.size(0)})
      .permute({0, 3, 1, 2});
}

torch::Tensor convolution_to_image(const torch::Tensor& features, const torch::Tensor& weight,
                                   const torch::Tensor& bias) {
  if (!use_kernels(weight) || !takes(features, weight.size(0)) || weight.size(1) % 8 != 0)
    return convolution(features, weight, bias);
  return torch::GradMode::is_enabled() ? ToImageFunction::apply(features, weight, bias)
                                       : ToImageFunction::convolve(features, weight, bias);
}

}  // namespace ddpm::ops
