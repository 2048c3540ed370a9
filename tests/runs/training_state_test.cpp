#include "ddpm/runs/training_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "support/files.h"
#include "support/models.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::TemporaryFolder;

TrainingState example() {
  TrainingState state{.step = 123456789012, .images_seen = 15802468993536, .config = {}};
  state.config.model = testing::tiny();
  state.config.run.name = "a \"quoted\" name";
  state.config.run.seed = 9007199254740993;  // not a double
  state.config.training.learning_rate = 0.1 + 0.2;
  return state;
}

TEST(TrainingState, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const TrainingState state = example();
  write_training_state(folder.path(), state);
  const TrainingState read = read_training_state(folder.path());
  EXPECT_EQ(read.step, 123456789012);
  EXPECT_EQ(read.images_seen, 15802468993536);
  EXPECT_EQ(read.config.run.name, state.config.run.name);
  EXPECT_EQ(read.config.run.seed, 9007199254740993);
  EXPECT_EQ(read.config.training.learning_rate, 0.1 + 0.2);
  EXPECT_EQ(read.config.model.width_multipliers, state.config.model.width_multipliers);
  EXPECT_EQ(to_json(read.config), to_json(state.config));
}

TEST(TrainingState, KnowsTheLossOrThatItIsUnknown) {
  const TemporaryFolder folder;
  TrainingState state = example();
  write_training_state(folder.path(), state);
  EXPECT_FALSE(read_training_state(folder.path()).loss);
  state.loss = 0.1 + 0.2;
  write_training_state(folder.path(), state);
  EXPECT_EQ(read_training_state(folder.path()).loss, 0.1 + 0.2);
}

TEST(TrainingState, KeepsLossStatisticsExactly) {
  const TemporaryFolder folder;
  TrainingState state = example();
  state.loss_statistics = {.count = 1e9, .mean = 0.1 + 0.2, .variance = 1.0 / 3};
  write_training_state(folder.path(), state);
  const std::optional<LossStatistics> read = read_training_state(folder.path()).loss_statistics;
  ASSERT_TRUE(read);
  EXPECT_EQ(read->count, 1e9);
  EXPECT_EQ(read->mean, 0.1 + 0.2);
  EXPECT_EQ(read->variance, 1.0 / 3);
}

TEST(TrainingState, IsTheDocumentedJson) {
  const TemporaryFolder folder;
  write_training_state(folder.path(), example());
  const auto json = nlohmann::json::parse(testing::content_of(folder / "state.json"));
  EXPECT_EQ(json.size(), 4u);
  EXPECT_EQ(json.at("version"), 1);
  EXPECT_EQ(json.at("step"), 123456789012);
  EXPECT_EQ(json.at("config").at("model").at("base_width"), 8);
}

// Replaces one value of an example. Returns the error on reading it.
std::string error_with(const std::string& key, const nlohmann::json& value) {
  const TemporaryFolder folder;
  write_training_state(folder.path(), example());
  auto json = nlohmann::json::parse(testing::content_of(folder / "state.json"));
  if (value.is_discarded())
    json.erase(key);
  else
    json[key] = value;
  folder.write("state.json", json.dump());
  const std::string message =
      testing::message_of<CheckpointError>([&] { read_training_state(folder.path()); });
  EXPECT_TRUE(contains(message, (folder / "state.json").string())) << message;
  return message;
}

TEST(TrainingState, RefusesWhatItDoesNotUnderstandNamingTheFile) {
  EXPECT_TRUE(contains(error_with("version", 2), "version 2 is unknown"));
  EXPECT_TRUE(contains(error_with("version", "1"), "unknown"));
  const nlohmann::json absent(nlohmann::json::value_t::discarded);
  for (const char* key : {"version", "step", "images_seen", "config"}) error_with(key, absent);
  for (const nlohmann::json& value :
       {nlohmann::json(-1), nlohmann::json(1e300), nlohmann::json(std::uint64_t{1} << 63),
        nlohmann::json("many"), nlohmann::json(std::string(100'000, 'x'))})
    for (const char* key : {"step", "images_seen"}) {
      const std::string message = error_with(key, value);
      EXPECT_TRUE(contains(message, "not a count")) << message;
      EXPECT_LT(message.size(), 1000u);
    }
  error_with("config", 3);
  error_with("loss_statistics", {{"count", 3}});
  EXPECT_TRUE(contains(error_with("config", {{"training", {{"stesp", 3}}}}), "training.stesp"));
  EXPECT_TRUE(contains(error_with("config", {{"model", {{"dropout", 7}}}}), "model.dropout"));
}

TEST(TrainingState, RefusesWhatIsNoJson) {
  const TemporaryFolder folder;
  for (const char* text : {"", "{", "[]", "null", "{\"version\": 1"}) {
    folder.write("state.json", text);
    EXPECT_THROW(read_training_state(folder.path()), CheckpointError) << text;
  }
}

// Printing or copying a nested value takes stack for each level, so deep nesting must be refused.
TEST(TrainingState, RefusesDepth) {
  const TemporaryFolder folder;
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  for (const std::string& text :
       {"{\"version\": " + deep + "}",
        "{\"version\": 1, \"step\": 1, \"images_seen\": 1, \"config\": " + deep + "}"}) {
    folder.write("state.json", text);
    EXPECT_TRUE(
        contains(testing::message_of<CheckpointError>([&] { read_training_state(folder.path()); }),
                 "state.json: nested deeper than"));
  }
}

TEST(TrainingState, AMissingFileIsNamed) {
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(testing::message_of<Error>([&] { read_training_state(folder.path()); }),
                       "state.json"));
}

}  // namespace
}  // namespace ddpm
