// Writes tensors to safetensors files and reads them. Names and shapes must match exactly.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/device/named_tensor.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Copies a tensor of a file to a new CPU tensor. Throws CheckpointError for dtypes that LibTorch
// does not have.
torch::Tensor to_tensor(const TensorView& view);

// Copies the floating-point numbers of a NumPy array to a new CPU tensor; nothing if it has others.
std::optional<torch::Tensor> floats_of(const NumpyArray& array);

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

// How well the tensors of a file must fit the targets.
enum class TensorFit {
  kExact,
  kMayLack,    // targets that are missing in the file keep their values
  kMayDiffer,  // so do those of another shape, and what else is in the file is not used
};

// The same for tensors from any file. The names of targets that keep their values are logged;
// everything that `fit` does not allow is an error, and so is a file of which nothing fits.
void load_tensors(const TensorSet& set, const std::vector<NamedTensor>& targets,
                  TensorFit fit = TensorFit::kExact);

// The check of load_tensors alone; the targets' values do not matter. Throws CheckpointError.
void check_fit(const TensorSet& set, const std::vector<NamedTensor>& targets, TensorFit fit);

}  // namespace ddpm
