#include "ddpm/config/loader.h"

#include <gtest/gtest.h>

#include "config_error.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;
using Overrides = std::vector<ConfigOverride>;

TEST(Config, IsAllDefaultsWithoutAFile) {
  const ResolvedConfig resolved = load_config(std::nullopt, {});
  EXPECT_EQ(resolved.config.training.batch_size, 128);
  EXPECT_EQ(resolved.config.model.width_multipliers, (std::vector<std::int64_t>{1, 2, 2, 2}));
  EXPECT_EQ(resolved.origins.at("training.batch_size"), "default");
}

TEST(Config, ReadsEveryTypeFromNestedJsonWithComments) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a.json", R"(// a recipe
{
  "run": {"name": "wide", /* two
                             lines */ "deterministic": true},
  "model": {
    "width_multipliers": [1, 2],
    "attention": [false, true], // per level
    "dropout": 0
  },
  "training": {"batch_size": 64, "steps": 1e3, "learning_rate": 1e-3}
})");
  const ResolvedConfig resolved = load_config(file, {});
  EXPECT_EQ(resolved.config.run.name, "wide");
  EXPECT_TRUE(resolved.config.run.deterministic);
  EXPECT_EQ(resolved.config.model.width_multipliers, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(resolved.config.model.attention, (std::vector<bool>{false, true}));
  EXPECT_EQ(resolved.config.model.dropout, 0.0);
  EXPECT_EQ(resolved.config.training.batch_size, 64);
  EXPECT_EQ(resolved.config.training.steps, 1000);
  EXPECT_EQ(resolved.config.training.learning_rate, 0.001);
}

TEST(Config, RecordsFileAndLineOfEveryValue) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.json", R"({
  "run": {"name": "wide", "seed":
          3
  },
  /* a
     comment */
  "training":
  { "batch_size": 64 }
})");
  const Origins origins = load_config(file, {}).origins;
  EXPECT_EQ(origins.at("run.name"), file + ":2");
  EXPECT_EQ(origins.at("run.seed"), file + ":2");  // the line of the key
  EXPECT_EQ(origins.at("training.batch_size"), file + ":8");
  EXPECT_EQ(origins.at("training.steps"), "default");
}

TEST(Config, ExtendsOtherFilesRelativeToItself) {
  const TemporaryFolder folder;
  folder.write("base.json", R"({"run": {"name": "base", "seed": 1, "threads": 1}})");
  folder.write("parts/fast.json",
               R"({"extends": "../base.json", "run": {"seed": 2, "threads": 2}})");
  folder.write("parts/small.json", R"({"run": {"threads": 3}})");
  const std::string main = folder.write("main.json", R"({
  "run": {"precision": "bf16"},
  "extends": ["parts/fast.json", "parts/small.json"]
})");
  const ResolvedConfig resolved = load_config(main, {});
  EXPECT_EQ(resolved.config.run.name, "base");
  EXPECT_EQ(resolved.config.run.seed, 2);
  EXPECT_EQ(resolved.config.run.threads, 3);
  EXPECT_EQ(resolved.config.run.precision, Precision::kBf16);
  EXPECT_EQ(resolved.origins.at("run.name"), (folder.path() / "base.json").string() + ":1");
  EXPECT_EQ(resolved.origins.at("run.precision"), main + ":2");
}

TEST(Config, MayReachAFileTwice) {
  const TemporaryFolder folder;
  folder.write("base.json", R"({"run": {"seed": 1}})");
  folder.write("left.json", R"({"extends": "base.json", "run": {"seed": 2}})");
  folder.write("right.json", R"({"extends": "base.json"})");
  const fs::path main = folder.write("main.json", R"({"extends": ["left.json", "right.json"]})");
  EXPECT_EQ(load_config(main, {}).config.run.seed, 1);
}

TEST(Config, LetsOverridesWinInTheirOrder) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a.json", R"({"run": {"seed": 1, "threads": 1}})");
  const ResolvedConfig resolved =
      load_config(file, Overrides{{"run.seed", "2", "--set"}, {"run.seed", "3", "--seed"}});
  EXPECT_EQ(resolved.config.run.seed, 3);
  EXPECT_EQ(resolved.origins.at("run.seed"), "--seed");
  EXPECT_EQ(resolved.config.run.threads, 1);
}

TEST(Config, TakesOverridesAsJsonElseAsText) {
  const auto with = [](const std::string& path, const std::string& value) {
    return apply_overrides({}, Overrides{{path, value, "--set"}});
  };
  EXPECT_EQ(with("run.name", "wide").run.name, "wide");
  EXPECT_EQ(with("run.name", "\"wide\"").run.name, "wide");
  EXPECT_EQ(with("run.name", "123").run.name, "123");
  EXPECT_EQ(with("run.name", "true").run.name, "true");
  EXPECT_EQ(with("data.path", "").data.path, "");
  EXPECT_EQ(with("run.deterministic", "true").run.deterministic, true);
  EXPECT_EQ(with("training.learning_rate", "1").training.learning_rate, 1.0);
  EXPECT_EQ(with("training.steps", "1e3").training.steps, 1000);
  EXPECT_EQ(with("model.width_multipliers", "[1, 2, 4]").model.width_multipliers,
            (std::vector<std::int64_t>{1, 2, 4}));
  EXPECT_EQ(with("model.width_multipliers", "1,2,4").model.width_multipliers,
            (std::vector<std::int64_t>{1, 2, 4}));
  EXPECT_EQ(with("model.width_multipliers", "3").model.width_multipliers,
            (std::vector<std::int64_t>{3}));
  EXPECT_EQ(with("model.attention", "false,true").model.attention,
            (std::vector<bool>{false, true}));
}

TEST(Config, AppliesOverridesWithoutCheckingTheWhole) {
  const Config config = apply_overrides({}, Overrides{{"sampling.steps", "4000", "--steps"}});
  EXPECT_EQ(config.sampling.steps, 4000);  // the model may have more timesteps
}

TEST(Config, SplitsASetOptionAtTheFirstEqualsSign) {
  const ConfigOverride change = parse_set_option("data.path=a=b");
  EXPECT_EQ(change.path, "data.path");
  EXPECT_EQ(change.value, "a=b");
  EXPECT_EQ(change.origin, "--set");
  const std::string message = config_error([] { parse_set_option("training.batch_size"); });
  EXPECT_EQ(message,
            "--set: 'training.batch_size' is not of the form path=value, such as "
            "training.batch_size=64");
  EXPECT_THROW(parse_set_option("=3"), ConfigError);
}

TEST(Config, SurvivesWritingAndReading) {
  Config config;
  config.run.name = "quotes \" and \\ and \xC3\xA4";
  config.run.seed = 9007199254740993;  // 2^53 + 1, not a double
  config.model.attention = {true, false, true, false};
  config.training.learning_rate = 0.1 + 0.2;
  config.data.path = "/a/b";
  const Config read = config_from_json_text(to_json(config), "copy");
  EXPECT_EQ(read.run.name, config.run.name);
  EXPECT_EQ(read.run.seed, 9007199254740993);
  EXPECT_EQ(read.model.attention, config.model.attention);
  EXPECT_EQ(read.training.learning_rate, 0.30000000000000004);
  EXPECT_EQ(read.data.path, "/a/b");
  EXPECT_EQ(to_json(read), to_json(config));
}

TEST(Config, KeepsDefaultsForKeysThatASavedCopyLacks) {
  const Config config = config_from_json_text(R"({"run": {"seed": 5}})", "copy");
  EXPECT_EQ(config.run.seed, 5);
  EXPECT_EQ(config.diffusion.timesteps, 1000);
}

// A run goes on by the rules it began with: before data.orientation existed, rows were left as stored.
TEST(Config, ReadsMissingKeysOfARunAsTheyWereMeant) {
  const std::string old = R"({"run": {"seed": 5}})";
  const DataConfig saved = config_from_json_text(old, "copy", MissingKeys::kBefore).data;
  EXPECT_EQ(saved.orientation, Orientation::kStored);
  EXPECT_EQ(saved.labels, LabelSource::kFolder);
  EXPECT_TRUE(saved.exclude.empty());
  EXPECT_EQ(config_from_json_text(old, "copy").data.orientation, Orientation::kExif);
  const std::string now = R"({"data": {"orientation": "exif"}})";
  EXPECT_EQ(config_from_json_text(now, "copy", MissingKeys::kBefore).data.orientation,
            Orientation::kExif);
}

TEST(Config, KeepsTheValuesThatARunBeganWith) {
  Config saved;
  saved.data.orientation = Orientation::kStored;
  saved.data.exclude = {"x"};
  saved.training.batch_size = 7;
  const std::vector<ConfigOverride> set = {{"data.exclude", "y", "--set"}};
  const Config config = keep_values(load_config(std::nullopt, set), saved);
  EXPECT_EQ(config.data.orientation, Orientation::kStored);
  EXPECT_EQ(config.data.exclude, std::vector<std::string>{"y"});       // the user said so
  EXPECT_EQ(config.training.batch_size, TrainingConfig{}.batch_size);  // not a key that is kept
}

TEST(Config, AllowsASchemaKeyForEditors) {
  EXPECT_EQ(config_from_json_text(R"({"$schema": "x.json", "run": {"seed": 5}})", "t").run.seed, 5);
}

// A folder is one of images unless it holds the files of another data set; files are what they are.
TEST(ImpliedSource, IsThatOfThePath) {
  const testing::TemporaryFolder folder;
  folder.write("photos/a.png", "");
  folder.write("mnist/train-images-idx3-ubyte.gz", "");
  folder.write("cifar/cifar-10-batches-bin/data_batch_1.bin", "");
  folder.write("digits", std::string("\0\0\x08\x03\0\0\0\x01", 8));
  folder.write("archive", std::string(257, '\0') + "ustar");
  folder.write("cifar-10-binary.tar", std::string(257, '\0') + "ustar");
  folder.write("cifar100/cifar-100-python/train", "");
  folder.write("zipped", "PK\3\4");
  folder.write("array", "\x93NUMPY\1");
  folder.write("array.npz", "PK\3\4");
  folder.write("text.txt", "no images");
  const std::vector<std::pair<std::string, DataSource>> cases = {
      {"photos", DataSource::kFolder},
      {"mnist", DataSource::kIdx},
      {"cifar", DataSource::kCifar10},
      {"digits", DataSource::kIdx},
      {"archive", DataSource::kTar},
      {"cifar-10-binary.tar", DataSource::kCifar10},
      {"cifar100", DataSource::kCifar100},
      {"photos.zip", DataSource::kZip},
      {"zipped", DataSource::kZip},
      {"array", DataSource::kNpz},
      {"array.npz", DataSource::kNpz},
      {"text.txt", DataSource::kFolder},
      {"nowhere", DataSource::kFolder},
      {"nowhere.tar.gz", DataSource::kTar},
      {"cifar-10-python.tar.gz", DataSource::kCifar10},
      {"cifar-100-python.tar.gz", DataSource::kCifar100},
      {"nowhere-idx3-ubyte.gz", DataSource::kIdx}};
  for (const auto& [name, source] : cases) {
    const std::vector<ConfigOverride> set = {{"data.path", (folder / name).string(), "--set"}};
    const ResolvedConfig resolved = load_config(std::nullopt, set);
    EXPECT_EQ(resolved.config.data.source, source) << name;
    EXPECT_EQ(resolved.origins.at("data.source"), "data.path, --set");
    EXPECT_EQ(apply_overrides({}, set).data.source, source) << name;
  }
}

// configs/folder.json is for archives too.
TEST(ImpliedSource, OfAFileReplacesAFolder) {
  const testing::TemporaryFolder folder;
  folder.write("photos/a.png", "");
  folder.write("photos.zip", "PK\3\4");
  const auto config = folder.write("folder.json", R"({"data": {"source": "folder"}})");
  const auto source_of = [&](const char* name) {
    const std::vector<ConfigOverride> set = {{"data.path", (folder / name).string(), "--set"}};
    return load_config(config, set).config.data.source;
  };
  EXPECT_EQ(source_of("photos.zip"), DataSource::kZip);
  EXPECT_EQ(source_of("photos"), DataSource::kFolder);
  EXPECT_EQ(source_of("nowhere"), DataSource::kFolder);
}

TEST(ImpliedSource, GivesWayToOneThatIsSet) {
  const testing::TemporaryFolder folder;
  folder.write("path.json", R"({"data": {"path": "photos"}})");
  folder.write("embedded.json", R"({"data": {"source": "embedded"}})");
  folder.write("cifar.json", R"({"data": {"source": "cifar10"}})");
  folder.write("both.json", R"({"data": {"source": "embedded", "path": "photos"}})");
  const auto source = [&](const char* file, std::vector<ConfigOverride> set) {
    return load_config(folder / file, set).config.data.source;
  };
  const ConfigOverride path = {"data.path", "photos", "--set"};
  EXPECT_EQ(source("path.json", {}), DataSource::kFolder);
  EXPECT_EQ(source("embedded.json", {path}), DataSource::kFolder);
  EXPECT_EQ(source("cifar.json", {path}), DataSource::kCifar10);
  EXPECT_EQ(source("both.json", {}), DataSource::kEmbedded);
  EXPECT_EQ(source("path.json", {{"data.source", "idx", "--set"}}), DataSource::kIdx);
  EXPECT_EQ(source("embedded.json", {{"data.path", "", "--set"}}), DataSource::kEmbedded);
}

}  // namespace
}  // namespace ddpm
