// Recognises files of weights by their content; their endings do not matter.
#pragma once

#include <filesystem>

namespace ddpm {

enum class WeightFileKind {
  kSafetensors,
  kShardIndex,  // NAME.safetensors.index.json, read by read_sharded_safetensors
  kTorch,       // of torch.save, as a zip archive or in its older form
};

// Whether the file is a TorchScript program (torch.jit.save). False for what is missing or cannot be
// read.
bool is_torch_script(const std::filesystem::path& path);

// Reads the first bytes, and the directory at the end of a zip archive. Throws CheckpointError
// "<path>: ..." for everything else, and names what people often have instead: a Git LFS pointer, a
// web page, TorchScript, a plain pickle, an archive, GGUF, HDF5, an empty file, a FIFO or device.
WeightFileKind recognize_weights(const std::filesystem::path& path);

}  // namespace ddpm
