// Whether the kernels of src/kernels do the work on a device.
#pragma once

#include <torch/types.h>

namespace ddpm {

// Whether kernels take tensors like this: on a GPU they have code for, float32 or bfloat16. Where
// they do not, the reference computes; the log says so once. DDPM_KERNELS=0 in the environment
// switches all of them off, to compare.
bool use_kernels(const torch::Tensor& x);
bool use_kernels(torch::Device device);

}  // namespace ddpm
