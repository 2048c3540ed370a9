#include "ddpm/training/state.h"

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/config/loader.h"

namespace ddpm {
namespace {

constexpr const char* kFile = "state.json";
constexpr int kVersion = 1;

}  // namespace

void write_training_state(const fs::path& checkpoint, const TrainingState& state) {
  nlohmann::ordered_json json = {
      {"version", kVersion}, {"step", state.step}, {"images_seen", state.images_seen}};
  if (state.loss) json["loss"] = *state.loss;
  if (!state.data_fingerprint.empty()) json["data_fingerprint"] = state.data_fingerprint;
  if (const auto& losses = state.loss_statistics)
    json["loss_statistics"] = {
        {"count", losses->count}, {"mean", losses->mean}, {"variance", losses->variance}};
  json["config"] = nlohmann::ordered_json::parse(to_json(state.config));
  write_file_atomically(checkpoint / kFile, json.dump(2) + "\n");
}

TrainingState read_training_state(const fs::path& checkpoint) {
  const std::string name = (checkpoint / kFile).string();
  try {
    const auto json = nlohmann::json::parse(read_file(checkpoint / kFile, 1 << 20));
    if (json.at("version") != kVersion)
      throw CheckpointError(name + ": version " + json.at("version").dump() + " is unknown");
    TrainingState state{.step = json.at("step").get<std::int64_t>(),
                        .images_seen = json.at("images_seen").get<std::int64_t>(),
                        .config = {}};
    if (const auto loss = json.find("loss"); loss != json.end()) state.loss = loss->get<double>();
    state.data_fingerprint = json.value("data_fingerprint", "");
    if (const auto losses = json.find("loss_statistics"); losses != json.end())
      state.loss_statistics = {.count = losses->at("count").get<double>(),
                               .mean = losses->at("mean").get<double>(),
                               .variance = losses->at("variance").get<double>()};
    if (state.step < 0 || state.images_seen < 0)
      throw CheckpointError(name + ": negative counters");
    state.config = config_from_json_text(json.at("config").dump(), name);
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(name + ": " + error.what());
  } catch (const ConfigError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace ddpm
