// Writes tensors to safetensors files and reads them. Names and shapes must match exactly.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/device/named_tensor.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Copies a tensor of a file to a new CPU tensor. Throws CheckpointError for dtypes that LibTorch
// does not have.
torch::Tensor to_tensor(const TensorView& view);

// Writes the tensors row-major and atomically; they may have any device and strides.
void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const SafetensorsMetadata& metadata = {});

// The tensors on the CPU, row-major, as files hold them.
TensorSet to_tensor_set(const std::vector<NamedTensor>& tensors);

// Copies every tensor of the file into the target with its name. The file must have exactly the
// targets' names and shapes; floating-point values are converted to the target's dtype. Otherwise
// throws CheckpointError that lists missing and unexpected tensors and wrong shapes, and changes no
// target.
void load_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& targets);

// What to do about targets that are missing in the file.
enum class MissingTensors { kRefuse, kKeep };

// The same for tensors from any file. With MissingTensors::kKeep, missing targets keep their values
// and their names are logged; everything else is still an error.
void load_tensors(const TensorSet& set, const std::vector<NamedTensor>& targets,
                  MissingTensors missing = MissingTensors::kRefuse);

}  // namespace ddpm
