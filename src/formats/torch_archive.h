// Finds the pickle and the storages in both layouts of torch.save.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "ddpm/formats/pickle.h"
#include "ddpm/formats/safetensors.h"

namespace ddpm {

struct TorchArchive {
  PickleTree tree;
  std::map<std::string, std::span<const std::byte>> storages;  // by key
};

// A storage as the pickle describes it: ("storage", type, key, device, elements, ...).
struct StorageIdentity {
  std::string key;
  DType dtype = DType::kF32;
  std::uint64_t count = 0;  // elements
  std::uint64_t bytes = 0;
};

// Whether the elements of a storage have a type that is read here.
bool has_known_type(const PickleTree& tree, PickleIndex persistent);

// Throws CheckpointError if the value is not a storage.
StorageIdentity storage_identity(const PickleTree& tree, PickleIndex persistent);

// "torch._utils._rebuild_tensor_v2".
std::string full_name(const PickleValue& global);

// Whether the bytes start as torch.save wrote files before PyTorch 1.6.
bool looks_like_legacy_torch(std::span<const std::byte> file);

// Opens a zip archive (since PyTorch 1.6), or pickles and storages in a row (before). The checksums
// of a zip archive are verified. Throws CheckpointError.
TorchArchive open_torch_archive(std::span<const std::byte> file);

}  // namespace ddpm
