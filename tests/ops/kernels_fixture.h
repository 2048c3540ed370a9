// Compares kernels with LibTorch's operators in float64, forward and backward, on a GPU.
#pragma once

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include "ddpm/device/runtime.h"
#include "ddpm/ops/gradients.h"

namespace ddpm {

using torch::Tensor;

// The parameter is the type under test.
class Kernels : public ::testing::TestWithParam<torch::Dtype> {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    set_up_runtime({.device = "cuda", .precision = Precision::kFp32});
    torch::manual_seed(::testing::UnitTest::GetInstance()->random_seed());
  }

  double tolerance() const { return GetParam() == torch::kFloat32 ? 1e-5 : 1e-2; }

  // Random values that the type under test can hold, in float64 on the CPU.
  Tensor random(torch::IntArrayRef shape, double scale = 1, double offset = 0) const {
    return (torch::randn(shape) * scale + offset).to(GetParam()).to(torch::kFloat64);
  }
  // The same on the GPU, in the type under test and in channels_last memory.
  Tensor on_gpu(const Tensor& x) const {
    if (!x.defined()) return x;
    Tensor y = x.detach().to(torch::kCUDA, GetParam());
    if (y.dim() == 4) y = y.contiguous(torch::MemoryFormat::ChannelsLast);
    return y.requires_grad_();
  }

  void expect_close(const Tensor& actual, const Tensor& expected, const std::string& what) const {
    const Tensor difference = actual.detach().cpu().to(torch::kFloat64) - expected.detach();
    const double error = difference.norm().item<double>() / expected.norm().item<double>();
    EXPECT_LE(error, tolerance()) << what << " " << expected.sizes();
  }

  // Compares outputs and the gradients of all inputs, under a random projection of the outputs.
  using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
  void expect_same(const std::string& what, const std::vector<Tensor>& inputs,
                   const Function& kernel, const Function& reference) const {
    std::vector<Tensor> gpu, cpu;
    for (const Tensor& x : inputs) {
      gpu.push_back(on_gpu(x));
      cpu.push_back(x.defined() ? x.detach().clone().requires_grad_() : x);
    }
    const std::vector<Tensor> actual = kernel(gpu), expected = reference(cpu);
    ASSERT_EQ(actual.size(), expected.size());
    std::vector<Tensor> gpu_seeds, cpu_seeds;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      expect_close(actual[i], expected[i], what + ", output " + std::to_string(i));
      cpu_seeds.push_back(random(expected[i].sizes()));
      gpu_seeds.push_back(on_gpu(cpu_seeds.back()).detach().to(actual[i].scalar_type()));
    }
    const auto defined = [](std::vector<Tensor> list) {
      std::erase_if(list, [](const Tensor& x) { return !x.defined(); });
      return list;
    };
    const auto gpu_gradients = torch::autograd::grad(actual, defined(gpu), gpu_seeds);
    const auto cpu_gradients = torch::autograd::grad(expected, defined(cpu), cpu_seeds);
    // Work on the side stream is joined when gradients are gathered.
    Tensor nothing = torch::zeros({64}, gpu_gradients[0].options());
    ops::gather(std::vector<Tensor>{nothing}, std::vector<Tensor>{nothing.clone()}, false);
    for (std::size_t i = 0; i < cpu_gradients.size(); ++i)
      expect_close(gpu_gradients[i], cpu_gradients[i], what + ", gradient " + std::to_string(i));
  }
};

}  // namespace ddpm
