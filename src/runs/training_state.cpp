#include "ddpm/runs/training_state.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/loader.h"
#include "ddpm/formats/json.h"

namespace ddpm {
namespace {

constexpr const char* kFile = "state.json";
constexpr int kVersion = 1;

// Reads a number of steps or images. Anything else, also 1e300 and -1, is an error of the file
// `name`.
std::int64_t counter(const nlohmann::json& json, const char* key, const std::string& name) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  const nlohmann::json& value = json.at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMost)
    throw CheckpointError(
        format_text("{}: '{}' is {}, not a count", name, key, shorten(value.dump())));
  return value.get<std::int64_t>();
}

}  // namespace

void write_training_state(const fs::path& checkpoint, const TrainingState& state) {
  nlohmann::ordered_json json = {
      {"version", kVersion}, {"step", state.step}, {"images_seen", state.images_seen}};
  if (state.loss) json["loss"] = *state.loss;
  if (const auto& score = state.score)
    json["score"] = {{"name", name_of(score->criterion)}, {"value", score->value}};
  if (!state.data_fingerprint.empty()) json["data_fingerprint"] = state.data_fingerprint;
  if (const auto& losses = state.loss_statistics)
    json["loss_statistics"] = {
        {"count", losses->count}, {"mean", losses->mean}, {"variance", losses->variance}};
  json["config"] = nlohmann::ordered_json::parse(to_json(state.config));
  write_file_atomically(checkpoint / kFile, json.dump(2) + "\n");
}

std::string training_state_text(const fs::path& checkpoint) {
  return read_file(checkpoint / kFile, 1 << 20);
}

TrainingState read_training_state(const fs::path& checkpoint) {
  return parse_training_state(training_state_text(checkpoint), (checkpoint / kFile).string());
}

TrainingState parse_training_state(const std::string& text, const std::string& name) {
  try {
    const nlohmann::json json = parse_json(text, name);
    if (json.at("version") != kVersion)
      throw CheckpointError(name + ": version " + shorten(json.at("version").dump()) +
                            " is unknown");
    TrainingState state{.step = counter(json, "step", name),
                        .images_seen = counter(json, "images_seen", name),
                        .config = {}};
    if (const auto loss = json.find("loss"); loss != json.end()) state.loss = loss->get<double>();
    state.data_fingerprint = json.value("data_fingerprint", "");
    if (const auto score = json.find("score"); score != json.end())
      if (const auto criterion = parse_choice<Criterion>(score->at("name").get<std::string>()))
        state.score = CheckpointScore{*criterion, score->at("value").get<double>()};
    if (const auto losses = json.find("loss_statistics"); losses != json.end())
      state.loss_statistics = {.count = losses->at("count").get<double>(),
                               .mean = losses->at("mean").get<double>(),
                               .variance = losses->at("variance").get<double>()};
    state.config = config_from_json_text(json.at("config").dump(), name, MissingKeys::kBefore);
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(name + ": " + error.what());
  } catch (const ConfigError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace ddpm
