// Reads the floating-point tensors of safetensors files. Private to this folder.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <span>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// The tensors of a safetensors file that the config key `key` names. Throws DataError.
TensorSet open_tensors(const std::filesystem::path& path, const char* key);

// The values of `bytes`, a part of the tensor, as a list of float32 numbers. Throws DataError "<path>:
// ..." unless the tensor is F32, F16 or BF16.
torch::Tensor read_floats(const TensorView& tensor, std::span<const std::byte> bytes,
                          const std::filesystem::path& path);

}  // namespace ddpm
