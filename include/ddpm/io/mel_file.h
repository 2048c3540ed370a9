// Files of mel spectrograms.
#pragma once

#include <torch/types.h>

#include <filesystem>

namespace ddpm {

// Whether the extension is one of a file of arrays: .safetensors or .npy, in upper or lower case.
bool has_mel_extension(const std::filesystem::path& path);

// The spectrogram, [bands,frames] float32: the tensor `mel` of a safetensors file, or its only one,
// or the array of an .npy file. It may be [1,bands,frames], and if it is [frames,bands] it is
// transposed, with a message. Throws DataError "<path>: ..." for other shapes, other types, and
// values that are not finite.
torch::Tensor read_mel(const std::filesystem::path& path, std::int64_t bands);

// Writes the spectrogram, float32 on the CPU, atomically, as the tensor `mel` of a safetensors file
// or as an .npy file. Throws IoError.
void write_mel(const std::filesystem::path& path, const torch::Tensor& mel);

}  // namespace ddpm
