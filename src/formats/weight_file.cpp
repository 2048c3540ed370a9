#include "ddpm/formats/weight_file.h"

#include "ddpm/formats/file_kind.h"

namespace ddpm {

std::vector<StateDict> read_state_dicts(const std::filesystem::path& path) {
  switch (recognize_weights(path)) {
    case WeightFileKind::kSafetensors:
      return {{"", read_safetensors(path)}};
    case WeightFileKind::kShardIndex:
      return {{"", read_sharded_safetensors(path)}};
    case WeightFileKind::kTorch:
      return read_torch_file(path);
  }
  return {};
}

}  // namespace ddpm
