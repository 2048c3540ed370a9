// Named tensors from a file of any format, with the memory in which they lie.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "ddpm/formats/safetensors.h"

namespace ddpm {

struct TensorSet {
  std::filesystem::path path;  // where they were read, for messages
  std::vector<TensorView> tensors;
  SafetensorsMetadata metadata;          // only from safetensors files
  std::shared_ptr<const void> memory{};  // keeps the bytes of the views alive

  // The tensor with that name, or null. It searches the list, so it is only for a few look-ups.
  const TensorView* find(std::string_view name) const noexcept;
};

// All tensors of one .safetensors file.
TensorSet read_safetensors(const std::filesystem::path& path);

// All tensors of a model in several files, which its NAME.safetensors.index.json lists as
// {"weight_map": {tensor: file}}. Every tensor must be in its file and in no other, and no file may
// lie outside the index's folder.
TensorSet read_sharded_safetensors(const std::filesystem::path& index);

}  // namespace ddpm
