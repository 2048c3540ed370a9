// Tensors to safetensors files and back, exactly: names, shapes and dtypes must agree both ways.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/formats/safetensors.h"
#include "ddpm/ops/named_tensor.h"

namespace ddpm {

// A float32 (or integer) tensor of the file as a new CPU tensor. Throws CheckpointError for dtypes
// LibTorch lacks.
torch::Tensor to_tensor(const TensorView& view);

// Writes the tensors, whatever their device and strides, row-major. Atomic.
void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata = {});

// Copies every tensor of the file into the target of its name; the file must hold exactly the
// targets' names and shapes. Floating-point values are converted to the target's dtype. Throws
// CheckpointError listing missing, unexpected and misshapen tensors; the targets are then
// untouched.
void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets);

}  // namespace ddpm
