// Compares convolutions by kernels with LibTorch's operators in float64, on a GPU.
#include "ddpm/ops/convolution.h"

#include "ddpm/ops/image_convolution.h"
#include "ddpm/ops/resample.h"
#include "kernels_fixture.h"

namespace ddpm {
namespace {

using ConvolutionKernels = Kernels;

TEST_P(ConvolutionKernels, ConvolutionWithBiasAndResidual) {
  for (const auto& [n, in, out, side, stride, padding] :
       std::vector<std::array<std::int64_t, 6>>{{2, 64, 32, 8, 1, 1},
                                                {2, 512, 64, 5, 1, 1},
                                                {3, 3, 16, 9, 1, 1},
                                                {2, 16, 3, 5, 1, 1},
                                                {16, 128, 128, 17, 1, 1},
                                                {4, 256, 192, 8, 1, 1},
                                                {9, 64, 128, 32, 1, 1},
                                                {16, 64, 256, 16, 1, 1},
                                                {5, 128, 64, 4, 1, 1},
                                                {3, 40, 72, 13, 1, 1},
                                                {2, 32, 32, 9, 2, 0}}) {
    const std::int64_t result = (side + 2 * padding - 3) / stride + 1;
    const auto run = [&, s = stride, p = padding](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{
          ops::convolution(x[0], x[1], x[2], {.stride = s, .padding = p}, x[3])};
    };
    const double scale = 1 / std::sqrt(9.0 * static_cast<double>(in));
    expect_same("convolution",
                {random({n, in, side, side}), random({out, in, 3, 3}, scale), random({out}),
                 random({n, out, result, result})},
                run, run);
  }
}

TEST_P(ConvolutionKernels, ConvolutionWithShortcut) {
  const auto run = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{
        ops::convolution_with_shortcut(x[0], x[1], x[2], {x[3], x[4], x[5], x[6]})};
  };
  const auto definition = [](const std::vector<Tensor>& x) {
    const Tensor both = x[4].defined() ? torch::cat({x[3], x[4]}, 1) : x[3];
    return std::vector<Tensor>{torch::conv2d(x[0], x[1], x[2], 1, 1) +
                               torch::conv2d(both, x[5], x[6])};
  };
  for (const auto& [n, in, out, first, skip, side] :
       std::vector<std::array<std::int64_t, 6>>{{2, 64, 64, 32, 0, 8},
                                                {3, 40, 72, 24, 16, 5},
                                                {16, 64, 64, 128, 72, 4},
                                                {20, 64, 128, 64, 32, 32}}) {
    const std::vector<Tensor> in_float64 = {random({n, in, side, side}),
                                            random({out, in, 3, 3}, 0.05),
                                            random({out}),
                                            random({n, first, side, side}),
                                            skip > 0 ? random({n, skip, side, side}) : Tensor(),
                                            random({out, first + skip, 1, 1}, 0.1),
                                            random({out})};
    expect_same("with gradients", in_float64, run, definition);
    torch::NoGradGuard no_grad;
    std::vector<Tensor> in_type;
    for (const Tensor& x : in_float64) in_type.push_back(on_gpu(x));
    expect_close(run(in_type)[0], definition(in_float64)[0], "without gradients");
  }
}

TEST_P(ConvolutionKernels, DownsampleConvolution) {
  for (const auto padding : {DownsamplePadding::kSymmetric, DownsamplePadding::kAsymmetric})
    for (const auto& [n, in, out, h, w] : std::vector<std::array<std::int64_t, 5>>{
             {2, 32, 32, 8, 8}, {3, 24, 40, 6, 4}, {2, 8, 16, 7, 5}, {2, 12, 12, 6, 6}}) {
      const auto run = [&](const std::vector<Tensor>& x) {
        return std::vector<Tensor>{ops::downsample_convolution(x[0], x[1], x[2], padding)};
      };
      const auto definition = [&](const std::vector<Tensor>& x) {
        const bool even = padding == DownsamplePadding::kSymmetric;
        const Tensor padded =
            torch::constant_pad_nd(x[0], even ? std::vector<std::int64_t>{1, 1, 1, 1}
                                              : std::vector<std::int64_t>{0, 1, 0, 1});
        return std::vector<Tensor>{
            torch::conv2d(padded, x[1], x[2], {2, 2}, torch::IntArrayRef{0, 0})};
      };
      expect_same("downsample_convolution",
                  {random({n, in, h, w}), random({out, in, 3, 3}, 0.1), random({out})}, run,
                  definition);
    }
}

TEST_P(ConvolutionKernels, ImageConvolutions) {
  const auto definition = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{torch::conv2d(x[0], x[1], x[2], {1, 1}, torch::IntArrayRef{1, 1})};
  };
  for (const std::int64_t channels : {1, 3, 4, 9}) {
    const Tensor image = random({2, channels, 6, 9});
    const auto from = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{
          ops::convolution_from_image(image.to(torch::kCUDA, torch::kFloat32), x[0], x[1])};
    };
    const auto from_definition = [&](const std::vector<Tensor>& x) {
      return definition({image, x[0], x[1]});
    };
    expect_same("from an image", {random({24, channels, 3, 3}, 0.2), random({24})}, from,
                from_definition);
    const auto to = [](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{ops::convolution_to_image(x[0], x[1], x[2])};
    };
    expect_same("to an image",
                {random({2, 40, 6, 9}), random({channels, 40, 3, 3}, 0.1), random({channels})}, to,
                definition);
  }
}

TEST_P(ConvolutionKernels, UpsampleConvolution) {
  const auto run = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{ops::upsample_convolution(x[0], x[1], x[2])};
  };
  const auto definition = [](const std::vector<Tensor>& x) {
    const Tensor doubled = torch::upsample_nearest2d(x[0], {2 * x[0].size(2), 2 * x[0].size(3)});
    return std::vector<Tensor>{torch::conv2d(doubled, x[1], x[2], 1, 1)};
  };
  for (const auto& [n, in, out, h, w] :
       std::vector<std::array<std::int64_t, 5>>{{2, 32, 32, 4, 4},
                                                {3, 24, 40, 5, 3},
                                                {1, 64, 64, 16, 16},
                                                {2, 16, 8, 1, 1},
                                                {5, 32, 128, 32, 32}})
    expect_same("upsample_convolution",
                {random({n, in, h, w}), random({out, in, 3, 3}, 0.1), random({out})}, run,
                definition);
}

INSTANTIATE_TEST_SUITE_P(Types, ConvolutionKernels,
                         ::testing::Values(torch::kFloat32, torch::kBFloat16), [](const auto& one) {
                           return one.param == torch::kFloat32 ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace ddpm
