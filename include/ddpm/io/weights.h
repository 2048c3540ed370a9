// Tensors to safetensors files and back, exactly: names, shapes and dtypes must agree both ways.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/device/named_tensor.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// A float32 (or integer) tensor of the file as a new CPU tensor. Throws CheckpointError for dtypes
// LibTorch lacks.
torch::Tensor to_tensor(const TensorView& view);

// Writes the tensors, whatever their device and strides, row-major. Atomic.
void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata = {});

// The tensors on the CPU, row-major, as files hold them.
TensorSet to_tensor_set(const std::vector<NamedTensor>& tensors);

// Copies every tensor of the file into the target of its name; the file must hold exactly the
// targets' names and shapes. Floating-point values are converted to the target's dtype. Throws
// CheckpointError listing missing, unexpected and misshapen tensors; the targets are then
// untouched.
void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets);

// What becomes of targets that the file lacks.
enum class MissingTensors { kRefuse, kKeep };

// The same for tensors from anywhere. MissingTensors::kKeep leaves targets that the file lacks as they
// are and logs their names; everything else stays an error.
void load_tensors(const TensorSet& set, const std::vector<NamedTensor>& targets,
                  MissingTensors missing = MissingTensors::kRefuse);

}  // namespace ddpm
