#include "ddpm/ops/convolution_1d.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels_fixture.h"

namespace ddpm {
namespace {

struct Case {
  std::int64_t channels, length, kernel, dilation;
  bool residual, total;
  ops::LeakySumOptions then;
};

// Few and many channels, such that do not fill a vector, and all sums that networks use.
const std::vector<Case> kCases = {
    {32, 100, 3, 1, false, false, {.keep_sum = false}},
    {8, 57, 7, 5, true, false, {.slope = 0.2}},
    {5, 40, 3, 3, true, true, {.divisor = 3, .slope = 0.01, .keep_sum = false}},
    {16, 33, 11, 1, true, true, {.activate = false}},
    {64, 20, 3, 1, false, true, {.divisor = 2}},
};

// The definition, with PyTorch's convolution of [N,C,L].
std::vector<Tensor> by_definition(const Tensor& y, const Case& test, const Tensor& residual,
                                  const Tensor& total) {
  Tensor sum = y;
  if (test.residual) sum = sum + residual.squeeze(2);
  if (test.total) sum = sum + total.squeeze(2);
  sum = sum / test.then.divisor;
  return {test.then.keep_sum ? sum : Tensor(),
          test.then.activate ? torch::where(sum < 0, sum * test.then.slope, sum) : Tensor()};
}

// Compares with the definition in float64 on the device.
void compare(torch::Device device, torch::Dtype dtype, double tolerance) {
  const torch::NoGradGuard no_grad;
  for (const Case& test : kCases) {
    const auto random = [&](torch::IntArrayRef shape) {  // values that the type can hold
      return torch::randn(shape).to(dtype).to(torch::kFloat64);
    };
    const auto on_device = [&](const Tensor& x) {
      const Tensor y = x.to(device, dtype);
      return y.dim() == 4 ? y.contiguous(torch::MemoryFormat::ChannelsLast) : y;
    };
    const std::int64_t c = test.channels, padding = test.dilation * (test.kernel - 1) / 2;
    const Tensor x = random({2, c, 1, test.length}), weight = random({c, c, test.kernel}),
                 bias = random({c}), residual = random({2, c, 1, test.length}),
                 total = random({2, c, 1, test.length});
    ops::LeakySumOptions then = test.then;
    if (test.residual) then.residual = on_device(residual);
    if (test.total) then.total = on_device(total);
    const ops::LeakySum actual =
        ops::convolution_1d(on_device(x), on_device(weight), on_device(bias),
                            {.padding = padding, .dilation = test.dilation}, then);
    const std::vector<Tensor> expected =
        by_definition(torch::conv1d(x.squeeze(2), weight, bias, 1, padding, test.dilation), test,
                      residual, total);
    for (const auto& [got, wanted] :
         {std::pair{actual.sum, expected[0]}, std::pair{actual.activated, expected[1]}}) {
      ASSERT_EQ(got.defined(), wanted.defined());
      if (!got.defined()) continue;
      const Tensor error = got.cpu().to(torch::kFloat64).squeeze(2) - wanted;
      EXPECT_LE((error.norm() / wanted.norm()).item<double>(), tolerance) << c << " channels";
    }
  }
}

TEST(Convolution1d, ThenALeakySumAgreesWithTheDefinition) {
  compare(torch::kCPU, torch::kFloat32, 1e-6);
}

using Convolution1dKernels = Kernels;

TEST_P(Convolution1dKernels, ThenALeakySumAgreesWithTheDefinition) {
  compare(torch::kCUDA, GetParam(), tolerance());
}

INSTANTIATE_TEST_SUITE_P(Types, Convolution1dKernels,
                         ::testing::Values(torch::kFloat32, torch::kBFloat16), [](const auto& one) {
                           return one.param == torch::kFloat32 ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace ddpm
