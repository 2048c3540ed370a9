// Prepares tensors for calls of kernels. Private to ops.
#pragma once

#include <torch/types.h>

#include <optional>

#include "ddpm/device/kernels.h"
#include "ddpm/kernels/common.h"
#include "ddpm/ops/random.h"

namespace ddpm::ops {

kernels::Type type_of(const torch::Tensor& x);

// LibTorch's current stream on the tensor's device.
kernels::Stream stream_of(const torch::Tensor& x);

kernels::RandomSource source_of(const Draw& draw);

// The tensor with channels last in memory. A copy costs a pass over memory and should never be
// needed, so debug builds stop here if one is.
torch::Tensor channels_last(const torch::Tensor& x);

// Functions of autograd take a tensor that may be missing as an optional; elsewhere it is
// undefined.
using OptionalTensor = std::optional<torch::Tensor>;
inline OptionalTensor maybe(const torch::Tensor& x) {
  return x.defined() ? OptionalTensor(x) : std::nullopt;
}
inline torch::Tensor value_of(const OptionalTensor& x) { return x.value_or(torch::Tensor()); }

// A pointer to the elements, or null if the tensor is undefined.
inline const void* data(const torch::Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}

// Makes uninitialised float32 memory on the device of `like`, for sums and statistics.
torch::Tensor workspace(std::int64_t elements, const torch::Tensor& like);

}  // namespace ddpm::ops
