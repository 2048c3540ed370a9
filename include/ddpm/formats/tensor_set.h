// Named tensors with the memory they lie in, whatever file they came from.
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
  SafetensorsMetadata metadata;          // of safetensors files
  std::shared_ptr<const void> memory{};  // what the views point into

  // The tensor of that name, or null. Looks at each: for the few that are asked for by name.
  const TensorView* find(std::string_view name) const noexcept;
};

// All tensors of one .safetensors file.
TensorSet read_safetensors(const std::filesystem::path& path);

// The same of a model cut into several files, from its NAME.safetensors.index.json {"weight_map":
// {tensor: file}}: every tensor must be in the file that the index says, in no other, and no file
// may lie outside the index's folder.
TensorSet read_sharded_safetensors(const std::filesystem::path& index);

}  // namespace ddpm
