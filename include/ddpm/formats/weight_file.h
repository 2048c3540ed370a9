#pragma once

#include <filesystem>
#include <vector>

#include "ddpm/formats/torch_file.h"

namespace ddpm {

// The tensors of a file of weights of any kind (formats/file_kind.h): those of safetensors and of
// an index of shards as one dictionary "", those of torch.save as read_torch_file gives them.
// Throws CheckpointError "<path>: ...".
std::vector<StateDict> read_state_dicts(const std::filesystem::path& path);

}  // namespace ddpm
