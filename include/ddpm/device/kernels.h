// Decides whether the kernels of src/kernels do the work on a device.
#pragma once

#include <torch/types.h>

namespace ddpm {

// Whether kernels take tensors like this: float32 or bfloat16, on a GPU for which the program has
// code. Otherwise the reference computes, and the log says so once. DDPM_KERNELS=0 in the
// environment switches all kernels off, to compare.
bool use_kernels(const torch::Tensor& x);
bool use_kernels(torch::Device device);

}  // namespace ddpm
