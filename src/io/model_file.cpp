#include "ddpm/io/model_file.h"

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/io/checkpoint.h"

namespace ddpm {
namespace {

constexpr const char* kConfigKey = "ddpm.config";  // in the metadata of weight files

fs::path weights_of_checkpoint(const fs::path& checkpoint, WeightSet set) {
  verify_checkpoint(checkpoint);
  const fs::path ema = checkpoint / "ema.safetensors";
  // Runs without averaging have raw weights only.
  return set == WeightSet::kEma && fs::exists(ema) ? ema : checkpoint / "model.safetensors";
}

fs::path weights_of_folder(const fs::path& folder, WeightSet set) {
  if (fs::exists(folder / "MANIFEST.json")) return weights_of_checkpoint(folder, set);
  if (fs::exists(folder / "checkpoints")) {
    const std::optional<fs::path> newest = CheckpointStore(folder / "checkpoints").newest();
    if (!newest)
      throw CheckpointError(folder.string() +
                            ": a run without a complete checkpoint; train it first");
    return weights_of_checkpoint(*newest, set);
  }
  throw CheckpointError(folder.string() +
                        ": no model here. Expected a run directory (with checkpoints/), a "
                        "checkpoint (with MANIFEST.json) or one "
                        ".safetensors file");
}

Config config_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find(kConfigKey);
  if (found != file.metadata().end())
    return config_from_json_text(found->second, file.path().string() + ": metadata " + kConfigKey);
  const fs::path neighbour = file.path().parent_path() / "config.json";
  if (fs::exists(neighbour))
    return config_from_json_text(read_file(neighbour, 1 << 20), neighbour.string());
  throw CheckpointError(file.path().string() + ": says nothing about its network: no metadata '" +
                        kConfigKey + "' and no config.json beside it");
}

}  // namespace

SafetensorsMetadata model_metadata(const Config& config) {
  const auto all = nlohmann::ordered_json::parse(to_json(config));
  nlohmann::ordered_json network = {{"model", all.at("model")}, {"diffusion", all.at("diffusion")}};
  for (const char* key : {"height", "width", "channels", "range"})
    network["data"][key] = all.at("data").at(key);
  return {{"format", "pt"}, {kConfigKey, network.dump()}};
}

WeightSet parse_weight_set(const std::string& name) {
  if (name == "ema") return WeightSet::kEma;
  if (name == "raw") return WeightSet::kRaw;
  throw ConfigError("sampling.weights: '" + name + "' is none of ema, raw");
}

ModelFile open_model(const fs::path& path, WeightSet weights) {
  if (!fs::exists(path)) throw CheckpointError(path.string() + ": no such file or folder");
  ModelFile model;
  model.weights = fs::is_directory(path) ? weights_of_folder(path, weights) : path;
  try {
    model.config = config_of(SafetensorsFile(model.weights));
  } catch (const ConfigError& error) {  // the file's fault, not the command line's
    throw CheckpointError(error.what());
  }
  model.sha256 = sha256_file(model.weights);
  return model;
}

SamplingConfig sampling_defaults(const fs::path& path) {
  const fs::path file = path / "config.json";
  if (!fs::exists(path / "checkpoints") || !fs::exists(file)) return {};
  try {
    return config_from_json_text(read_file(file, 1 << 20), file.string()).sampling;
  } catch (const ConfigError& error) {
    throw CheckpointError(error.what());
  }
}

fs::path newest_run(const fs::path& runs) {
  std::optional<fs::path> newest;
  fs::file_time_type newest_time;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(runs, error)) {
    const fs::path latest = entry.path() / "checkpoints" / "latest";
    if (!fs::exists(latest, error)) continue;
    const fs::file_time_type time = fs::last_write_time(latest, error);
    if (!newest || time > newest_time) newest = entry.path(), newest_time = time;
  }
  if (!newest)
    throw CheckpointError("no trained run below '" + runs.string() +
                          "'; train one (`ddpm train --config FILE`) or name a model with --model");
  return *newest;
}

}  // namespace ddpm
