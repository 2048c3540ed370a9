#include "ddpm/formats/tensor_set.h"

#include <algorithm>
#include <map>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"

namespace ddpm {
namespace {

// The file of each tensor, by the tensor's name.
std::map<std::string, std::string> read_index(const fs::path& index) {
  const auto fail = [&](const std::string& reason) {
    throw CheckpointError(index.string() + ": " + reason);
  };
  const nlohmann::json document = read_json_file(index);
  if (!document.is_object() || !document.contains("weight_map") ||
      !document["weight_map"].is_object())
    fail("the object 'weight_map', which says where the tensors are, is missing");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : document["weight_map"].items()) {
    if (!file.is_string()) fail("weight_map: '" + shorten(tensor) + "' does not name a file");
    const std::string name = file.get<std::string>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos)
      fail("weight_map: '" + shorten(name) + "' is not a file in the same folder");
    files.emplace(tensor, name);
  }
  return files;
}

}  // namespace

const TensorView* TensorSet::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(tensors, name, &TensorView::name);
  return found == tensors.end() ? nullptr : &*found;
}

TensorSet read_safetensors(const fs::path& path) {
  const auto file = std::make_shared<SafetensorsFile>(path);
  return {path, file->tensors(), file->metadata(), file};
}

TensorSet read_sharded_safetensors(const fs::path& index) {
  const std::map<std::string, std::string> places = read_index(index);
  std::map<std::string, TensorSet> shards;
  for (const auto& [tensor, name] : places)
    if (!shards.contains(name)) shards.emplace(name, read_safetensors(index.parent_path() / name));
  TensorSet all{.path = index, .tensors = {}, .metadata = {}};
  auto memory = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  for (auto& [name, shard] : shards) {
    for (TensorView& view : shard.tensors) {
      const auto place = places.find(view.name);
      if (place == places.end() || place->second != name)
        throw CheckpointError(format_text("{}: tensor '{}' should not be in this file, says {}",
                                          shard.path.string(), shorten(view.name), index.string()));
      all.tensors.push_back(std::move(view));
    }
    all.metadata.insert(shard.metadata.begin(), shard.metadata.end());
    memory->push_back(std::move(shard.memory));
  }
  if (all.tensors.size() != places.size())
    for (const auto& [tensor, name] : places)
      if (all.find(tensor) == nullptr)
        throw CheckpointError(
            format_text("{}: tensor '{}' is missing in {}", index.string(), shorten(tensor), name));
  all.memory = std::move(memory);
  return all;
}

}  // namespace ddpm
