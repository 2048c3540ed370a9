// The messages for mistakes in a config.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config_error.h"
#include "ddpm/config/loader.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

std::string error_of(const std::string& text) {
  return config_error([&] { config_from_json_text(text, "a.json"); });
}

std::string error_of_set(const std::string& path, const std::string& value) {
  const std::vector<ConfigOverride> overrides = {{path, value, "--set"}};
  return config_error([&] { load_config(std::nullopt, overrides); });
}

TEST(ConfigError, NamesTheNearestKeyOfATypo) {
  EXPECT_EQ(error_of("{\n\"training\": {\n\"bach_size\": 3}}"),
            "a.json:3: unknown key 'training.bach_size'; did you mean 'training.batch_size'?");
  EXPECT_EQ(error_of("{\"trainig\": {\"batch_size\": 3}}"),
            "a.json:1: unknown key 'trainig'; did you mean 'training'?");
  EXPECT_EQ(error_of_set("model.droput", "0"),
            "--set: unknown key 'model.droput'; did you mean 'model.dropout'?");
  EXPECT_EQ(error_of_set("modle.dropout", "0"),
            "--set: unknown key 'modle.dropout'; did you mean 'model.dropout'?");
}

TEST(ConfigError, NamesTheSectionAMisplacedKeyBelongsTo) {
  EXPECT_EQ(error_of("{\"model\": {\"batch_size\": 3}}"),
            "a.json:1: unknown key 'model.batch_size'; did you mean 'training.batch_size' or "
            "'sampling.batch_size'?");
  EXPECT_EQ(error_of("{\"learning_rate\": 1}"),
            "a.json:1: unknown key 'learning_rate'; did you mean 'training.learning_rate'?");
  EXPECT_EQ(error_of_set("lerning_rate", "1"),
            "--set: unknown key 'lerning_rate'; did you mean 'training.learning_rate'?");
}

TEST(ConfigError, KnowsTheNamesOfOtherPrograms) {
  for (const auto& [key, meant] :
       {std::pair{"lr", "'training.learning_rate'?"},
        {"model.lr", "'training.learning_rate'?"},
        {"training.bs", "'training.batch_size'?"},
        {"sampling.bs", "'sampling.batch_size'?"},
        {"batch", "'training.batch_size' or 'sampling.batch_size'?"},
        {"sampling.batch", "'sampling.batch_size'?"},
        {"training.epochs", "'training.steps'? Training is counted in steps, not in epochs"},
        {"epochs", "'training.steps'? Training is counted in steps"},
        {"wd", "'training.weight_decay'?"},
        {"training.ema", "'training.ema_decay'?"},
        {"model.ema", "'training.ema_decay'?"},
        {"size", "'data.height' and 'data.width'?"},
        {"data.resolution", "'data.height' and 'data.width'?"},
        {"model.image_size", "'data.height' and 'data.width'?"},
        {"training.num_steps", "'training.steps'?"},
        {"sampling.num_steps", "'sampling.steps'?"},
        {"num_classes", "'model.classes'?"}}) {
    const std::string message = error_of_set(key, "1");
    EXPECT_NE(message.find(std::string("did you mean ") + meant), std::string::npos) << message;
  }
}

// Every name that is suggested exists.
TEST(ConfigError, SuggestsNothingThatIsFar) {
  for (const char* key :
       {"training.foo", "model.xyz", "data.cat", "qqq", "abc.def", "training.a"}) {
    const std::string message = error_of_set(key, "1");
    EXPECT_EQ(message.find("did you mean"), std::string::npos) << message;
  }
}

TEST(ConfigError, ListsTheKeysIfNoneIsNear) {
  EXPECT_EQ(
      error_of("{\"diffusion\": {\"gamma_rays\": 3}}"),
      "a.json:1: unknown key 'diffusion.gamma_rays'; the keys of 'diffusion' are timesteps, "
      "schedule, beta_start, beta_end, variance, prediction_type, zero_terminal_snr, clip_x0, "
      "dynamic_threshold, dynamic_threshold_max");
  EXPECT_EQ(error_of("{\"zzzzzzzz\": 3}"),
            "a.json:1: unknown key 'zzzzzzzz'; the sections are run, model, diffusion, data, "
            "training, sampling, evaluation");
}

TEST(ConfigError, TellsHowToNestADottedKey) {
  EXPECT_EQ(error_of("{\"training.steps\": 3}"),
            "a.json:1: write 'training.steps' as an object: \"training\": {\"steps\": ...}");
}

TEST(ConfigError, NamesValueAndRange) {
  EXPECT_EQ(error_of("{\"training\": {\n\"batch_size\": \"many\"}}"),
            "a.json:2: training.batch_size must be an integer in [1, 1000000], not \"many\"");
  EXPECT_EQ(error_of("{\"training\": {\"batch_size\": 0}}"),
            "a.json:1: training.batch_size must be an integer in [1, 1000000], not 0");
  EXPECT_EQ(error_of("{\"training\": {\"batch_size\": 1.5}}"),
            "a.json:1: training.batch_size must be an integer in [1, 1000000], not 1.5");
  EXPECT_EQ(error_of("{\"model\": {\"dropout\": 1}}"),
            "a.json:1: model.dropout must be a number in [0, 1), not 1");
  EXPECT_EQ(error_of("{\"run\": {\"precision\": \"fp16\"}}"),
            "a.json:1: run.precision must be one of auto, fp32, tf32, bf16, not \"fp16\"");
  EXPECT_EQ(error_of("{\"run\": {\"deterministic\": 1}}"),
            "a.json:1: run.deterministic must be true or false, not 1");
  EXPECT_EQ(error_of("{\"run\": {\"seed\": null}}"),
            "a.json:1: run.seed must be an integer >= 0, not null");
  EXPECT_EQ(error_of("{\"run\": {\"seed\": 18446744073709551615}}"),
            "a.json:1: run.seed must be an integer >= 0, not 18446744073709551615");
  EXPECT_EQ(error_of_set("run.device", "gpu"),
            "--set: run.device must be one of auto | cpu | cuda | cuda:N, not \"gpu\"");
  EXPECT_EQ(error_of_set("training.steps", "abc"),
            "--set: training.steps must be an integer in [1, 1000000000000], not \"abc\"");
}

TEST(ConfigError, NamesTheShapeThatIsExpected) {
  EXPECT_EQ(error_of("{\"training\": 5}"),
            "a.json:1: training is a section and must be an object, { ... }, not 5");
  EXPECT_EQ(error_of("{\"training\": [1]}"),
            "a.json:1: training is a section and must be an object, { ... }, not [1]");
  EXPECT_EQ(error_of("{\"training\": {\"steps\": {}}}"),
            "a.json:1: training.steps must be an integer in [1, 1000000000000], not an object");
  EXPECT_EQ(
      error_of("{\"model\": {\"attention\": true}}"),
      "a.json:1: model.attention must be a list of 1 to 10 booleans, true or false, not true");
  EXPECT_EQ(error_of("{\"model\": {\"attention\": [0]}}"),
            "a.json:1: model.attention must be a list of 1 to 10 booleans, true or false, not [0]");
  EXPECT_EQ(
      error_of("{\"model\": {\"width_multipliers\": [[1]]}}"),
      "a.json:1: model.width_multipliers must be a list of 1 to 10 integers in [1, 64], not a "
      "list of lists");
  EXPECT_EQ(
      error_of("{\"model\": {\"width_multipliers\": [{}]}}"),
      "a.json:1: model.width_multipliers must be a list of 1 to 10 integers in [1, 64], not a "
      "list with objects");
  EXPECT_EQ(error_of("[1]"), "a.json:1: a config must be an object, { ... }, not [1]");
  EXPECT_EQ(error_of("3"), "a.json:1: a config must be an object, { ... }, not 3");
  EXPECT_EQ(error_of("{\"extends\": 3}"),
            "a.json:1: extends must be the name of a file or a list of names, not 3");
  EXPECT_EQ(error_of("{\"extends\": {}}"),
            "a.json:1: extends must be the name of a file or a list of names, not an object");
  EXPECT_EQ(error_of("{\"$schema\": 3}"), "a.json:1: $schema must be a string, not 3");
}

TEST(ConfigError, RefusesAKeyThatIsSetTwice) {
  EXPECT_EQ(error_of("{\"run\": {\"seed\": 1,\n\n\"seed\": 2}}"),
            "a.json:3: 'run.seed' is set twice, first on line 1");
  EXPECT_EQ(error_of("{\"run\": {\"seed\": 1},\n\"run\": {\"name\": \"x\"}}"),
            "a.json:2: 'run' is set twice, first on line 1");
}

TEST(ConfigError, NamesLineAndColumnOfBadJson) {
  EXPECT_EQ(error_of("{\n  \"run\": {\"seed\": 1,}\n}").substr(0, 26),
            "a.json:2:21: this is not J");
  EXPECT_EQ(error_of("{\"run\": {\"seed\": 1} \"data\": {}}").substr(0, 12), "a.json:1:26:");
  for (const char* text :
       {"", "{", "{\"run\": ", "{} {}", "{\"run\": {\"seed\": 01}}", "/*", "{/}",
        "{\"run\": {\"name\": \"\xFF\"}}", "{\"training\": {\"epsilon\": 1e999}}"}) {
    const std::string message = error_of(text);
    EXPECT_EQ(message.rfind("a.json:1:", 0), 0U) << message;
    EXPECT_NE(message.find("this is not JSON: "), std::string::npos) << message;
  }
}

TEST(ConfigError, RefusesWhatAFileNameOrTerminalCannotTake) {
  EXPECT_THROW(config_from_json_text("{\"data\": {\"path\": \"a\\u0000b\"}}", "t"), ConfigError);
  EXPECT_THROW(config_from_json_text("{\"run\": {\"name\": \"\\u001b[31m\"}}", "t"), ConfigError);
  EXPECT_NE(error_of_set("data.path", "\xFF\xFE").find("data.path must be a string"),
            std::string::npos);
}

TEST(ConfigError, SurvivesHostileTexts) {
  const std::string deep_lists(1 << 19, '[');
  EXPECT_EQ(error_of(deep_lists),
            "a.json:1: a config must be an object, { ... }, not a list of lists");
  std::string deep_objects;
  while (deep_objects.size() < (1 << 19)) deep_objects += "{\"run\":";
  EXPECT_EQ(error_of(deep_objects),
            "a.json:1: unknown key 'run.run'; the keys of 'run' are name, directory, seed, device, "
            "precision, threads, deterministic, tensorboard");
  const std::string long_key = "{\"" + std::string(1 << 19, 'k') + "\": 1}";
  EXPECT_LT(error_of(long_key).size(), 400U);
  const std::string long_value = "{\"run\": {\"device\": \"" + std::string(1 << 19, 'v') + "\"}}";
  EXPECT_LT(error_of(long_value).size(), 400U);
  std::string long_list = "{\"model\": {\"attention\": [true";
  while (long_list.size() < (1 << 19)) long_list += ",true";
  EXPECT_LT(error_of(long_list + "]}}").size(), 400U);
  EXPECT_LT(error_of("{\"run\": " + std::string(1 << 19, 'x')).size(), 400U);
  EXPECT_THROW(config_from_json_text(std::string((1 << 20) + 1, ' '), "t"), ConfigError);
}

TEST(ConfigError, NamesMissingAndUnreadableFiles) {
  const TemporaryFolder folder;
  const fs::path missing = folder.path() / "missing.json";
  EXPECT_EQ(config_error([&] { load_config(missing, {}); }),
            "config: there is no file '" + missing.string() + "'");
  EXPECT_EQ(config_error([&] { load_config(folder.path(), {}); }),
            "config: '" + folder.path().string() + "' is not a file");
  EXPECT_EQ(config_error([&] { load_config("", {}); }), "config: there is no file ''");
  const fs::path big = folder.write("big.json", std::string((1 << 20) + 1, ' '));
  EXPECT_NE(config_error([&] { load_config(big, {}); }).find("1048577 bytes"), std::string::npos);
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(config_error([&] { load_config(pipe, {}); }),
            "config: '" + pipe.string() + "' is not a file");
}

TEST(ConfigError, NamesWhoExtendsAMissingFile) {
  const TemporaryFolder folder;
  const std::string main = folder.write("main.json", "{\n\"extends\": \"base.json\"}");
  EXPECT_EQ(
      config_error([&] { load_config(main, {}); }),
      main + ":2: extends: there is no file '" + (folder.path() / "base.json").string() + "'");
}

TEST(ConfigError, ShowsACircleOfFiles) {
  const TemporaryFolder folder;
  const std::string a = folder.write("a.json", "{\"extends\": \"sub/b.json\"}");
  const std::string b = folder.write("sub/b.json", "{\"extends\": \"../a.json\"}");
  EXPECT_EQ(config_error([&] { load_config(a, {}); }),
            b + ":1: extends: files extend each other in a circle: " + a + " -> " + b + " -> " + a);
  const std::string self = folder.write("self.json", "{\"extends\": \"./self.json\"}");
  EXPECT_EQ(config_error([&] { load_config(self, {}); }),
            self + ":1: extends: files extend each other in a circle: " + self + " -> " + self);
}

TEST(ConfigError, StopsFilesThatExtendTooMany) {
  const TemporaryFolder folder;
  for (int i = 0; i < 30; ++i) {
    const std::string next = std::to_string(i + 1) + ".json";
    folder.write(std::to_string(i) + ".json",
                 "{\"extends\": [\"" + next + "\", \"" + next + "\"]}");
  }
  folder.write("30.json", "{}");
  const std::string message = config_error([&] { load_config(folder.path() / "0.json", {}); });
  EXPECT_NE(message.find("more than 64 files are extended"), std::string::npos) << message;
}

TEST(ConfigError, RefusesExtendsInATextWithoutAPlace) {
  EXPECT_EQ(error_of("{\n\"extends\": \"b.json\"}"),
            "a.json:2: extends: only a config file can extend others");
}

}  // namespace
}  // namespace ddpm
