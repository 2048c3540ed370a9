#include "hopper_convolution.h"

#include <algorithm>

#include "ddpm/kernels/hopper_convolution.h"
#include "kernels.h"

namespace ddpm::ops {
namespace {

using kernels::ConvolutionKind;
using kernels::ConvolutionShape;

bool takes(const torch::Tensor& x) {
  constexpr std::uintptr_t kAlignment = 16;
  return !x.defined() || (x.scalar_type() == torch::kBFloat16 && x.is_cuda() &&
                          reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % kAlignment == 0 &&
                          (x.dim() < 4 || x.is_contiguous(torch::MemoryFormat::ChannelsLast)));
}

// Runs the kernel. `shape` lacks the sizes of x, which are filled in here.
torch::Tensor run(const torch::Tensor& x, const torch::Tensor& weight, ConvolutionShape shape,
                  const Addends& addends) {
  const Shortcut& s = addends.shortcut;
  shape.n = x.size(0);
  shape.channels = x.size(1);
  shape.height = x.size(2);
  shape.width = x.size(3);
  if (s.x.defined()) shape.shortcut_channels = s.x.size(1);
  if (s.skip.defined()) shape.skip_channels = s.skip.size(1);
  const auto all = {x, weight, addends.residual, s.x, s.skip, s.weight};
  if (!std::ranges::all_of(all, takes) || !kernels::hopper_convolution_wins(shape)) return {};
  torch::Tensor y = torch::empty({shape.n, shape.out_channels, shape.out_height, shape.out_width},
                                 x.options(), torch::MemoryFormat::ChannelsLast);
  kernels::hopper_convolution(shape,
                              {.x = data(x),
                               .weight = data(weight),
                               .bias = data(addends.bias),
                               .residual = data(addends.residual),
                               .shortcut = data(s.x),
                               .skip = data(s.skip),
                               .shortcut_weight = data(s.weight),
                               .shortcut_bias = data(s.bias),
                               .y = y.data_ptr()},
                              stream_of(x));
  return y;
}

}  // namespace

torch::Tensor hopper_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 std::int64_t stride, std::int64_t padding, std::int64_t height,
                                 std::int64_t width, const Addends& addends) {
  return run(x, weight,
             {.kind = ConvolutionKind::kForward,
              .out_height = height,
              .out_width = width,
              .out_channels = weight.size(0),
              .taps = weight.size(2),
              .stride = stride,
              .padding = padding},
             addends);
}

torch::Tensor hopper_input_gradient(const torch::Tensor& dy, const torch::Tensor& x,
                                    const torch::Tensor& weight, std::int64_t padding) {
  return run(dy, weight,
             {.kind = ConvolutionKind::kInput,
              .out_height = x.size(2),
              .out_width = x.size(3),
              .out_channels = x.size(1),
              .taps = weight.size(2),
              .stride = 1,
              .padding = padding},
             {});
}

torch::Tensor hopper_upsample(const torch::Tensor& x, const torch::Tensor& folded,
                              const torch::Tensor& bias) {
  return run(x, folded,
             {.kind = ConvolutionKind::kDoubling,
              .out_height = 2 * x.size(2),
              .out_width = 2 * x.size(3),
              .out_channels = folded.size(0) / 4,
              .taps = 2,
              .stride = 1,
              .padding = 1},
             {.bias = bias, .residual = {}, .shortcut = {}});
}

}  // namespace ddpm::ops
