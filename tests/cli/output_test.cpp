// Tests what goes to standard output and to standard error, and the output that programs read.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "ddpm/formats/safetensors.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::contains;
using testing::ProgramResult;

class Output : public testing::TinyRun {
 protected:
  // Expects that every line of standard output is a path that exists.
  void expect_paths(const ProgramResult& result, std::size_t count) const {
    EXPECT_EQ(result.code, 0) << result.err;
    std::istringstream lines(result.out);
    std::size_t found = 0;
    for (std::string line; std::getline(lines, line); ++found)
      EXPECT_TRUE(fs::exists(folder_ / line)) << line;
    EXPECT_EQ(found, count) << result.out;
  }
};

TEST_F(Output, IsThePathsThatWereWritten) {
  const auto sample = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample", "--count",   "3", "--steps",
                                          "2",      "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  expect_paths(train(), 1);
  expect_paths(sample({}), 3);
  expect_paths(sample({"--grid", "--output", "new/folder/grid.png"}), 1);
  expect_paths(sample({"--format", "npz"}), 1);
  expect_paths(sample({"--format", "safetensors"}), 1);
  EXPECT_TRUE(fs::exists(folder_ / "samples.npz"));
  const SafetensorsFile images(folder_ / "samples.safetensors");
  EXPECT_EQ(images.get("images").shape, (std::vector<std::int64_t>{3, 1, 16, 16}));
  EXPECT_EQ(testing::content_of(folder_ / "samples.npz").substr(0, 4), "PK\x03\x04");
}

// What a file is, by its first bytes.
TEST_F(Output, TheEndingDecidesTheFormat) {
  ASSERT_EQ(train().code, 0);
  const auto sample = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample", "--count",   "2", "--steps",
                                          "1",      "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  const std::string png = "\x89PNG", zip = "PK\x03\x04";
  fs::create_directory(folder_ / "v1.5");
  expect_paths(sample({"--output", "two.png"}), 1);
  EXPECT_EQ(testing::content_of(folder_ / "two.png").substr(0, 4), png);
  expect_paths(sample({"--output", "TWO.PNG"}), 1);
  EXPECT_EQ(testing::content_of(folder_ / "TWO.PNG").substr(0, 4), png);
  expect_paths(sample({"--output", "two.npz"}), 1);
  EXPECT_EQ(testing::content_of(folder_ / "two.npz").substr(0, 4), zip);
  expect_paths(sample({"--output", "two.safetensors"}), 1);
  EXPECT_EQ(SafetensorsFile(folder_ / "two.safetensors").get("images").shape.at(0), 2);
  expect_paths(sample({"--trajectory"}), 1);
  EXPECT_TRUE(fs::is_regular_file(folder_ / "samples.png"));
  for (const char* folder : {"two", "v2.0/", "v1.5"}) {
    expect_paths(sample({"--output", folder}), 2);
    EXPECT_TRUE(fs::exists(folder_ / folder / "000001.png")) << folder;
  }
}

TEST_F(Output, OtherEndingsAndContradictionsAreRefused) {
  ASSERT_EQ(train().code, 0);
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--output", "two.jpg"}, "there is no format .jpg"},
      {{"--grid", "--output", "grid.bmp"}, "there is no format .bmp"},
      {{"--output", "v2.0"}, "'v2.0/' if it has a dot"},
      {{"--grid", "--output", "out"}, "--grid writes one file: end its name in .png"},
      {{"--trajectory", "--output", "out"}, "--trajectory writes one file"},
      {{"--format", "npz", "--output", "out"}, "end its name in .npz"},
      {{"--format", "npz", "--output", "a.png"}, "ends in .png"},
      {{"--grid", "--output", "a.npz"}, "--grid: a grid is a PNG file, not npz"},
      {{"--grid", "--format", "safetensors"}, "--grid: a grid is a PNG file"},
      {{"--trajectory", "--output", "a.npz"}, "--trajectory"}};
  const auto files = [&] { return std::distance(fs::directory_iterator(folder_.path()), {}); };
  const auto before = files();
  for (const auto& [options, part] : cases) {
    std::vector<std::string> arguments = {"sample", "--count", "1", "--steps", "1"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.code, 2) << part;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  }
  EXPECT_EQ(files(), before);
}

TEST_F(Output, SingleImagesAreNotReplacedUnasked) {
  ASSERT_EQ(train().code, 0);
  const auto sample = [&](const std::string& seed, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample",    "--count", "2",      "--steps", "1",
                                          "--threads", "1",       "--seed", seed};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  expect_paths(sample("1", {}), 2);
  fs::remove(folder_ / "samples/000000.png");  // any of them counts
  const std::string first = testing::content_of(folder_ / "samples/000001.png");
  const ProgramResult again = sample("2", {});
  EXPECT_EQ(again.code, 2);
  for (const char* part : {"samples/000001.png", "--overwrite", "another folder",
                           "draws the same pictures again; --seed 0 draws others"})
    EXPECT_TRUE(contains(again.err, part)) << again.err;
  EXPECT_FALSE(contains(again.err, "sampling 2 images")) << again.err;
  EXPECT_EQ(testing::content_of(folder_ / "samples/000001.png"), first);
  expect_paths(sample("2", {"--output", "others"}), 2);
  expect_paths(sample("2", {"--overwrite"}), 2);
  EXPECT_EQ(testing::content_of(folder_ / "samples/000001.png"),
            testing::content_of(folder_ / "others/000001.png"));
  EXPECT_NE(testing::content_of(folder_ / "samples/000001.png"), first);
}

TEST_F(Output, OneFileIsNotReplacedUnaskedEither) {
  ASSERT_EQ(train().code, 0);
  const auto sample = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample",    "--count", "2",        "--steps", "1",
                                          "--threads", "1",       "--output", name};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  for (const std::string name : {"two.png", "two.npz", "two.safetensors"}) {
    folder_.write(name, "precious");
    const ProgramResult refused = sample(name, {});
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(contains(refused.err, name) && contains(refused.err, "--overwrite")) << refused.err;
    EXPECT_EQ(testing::content_of(folder_ / name), "precious");
    expect_paths(sample(name, {"--overwrite"}), 1);
    EXPECT_NE(testing::content_of(folder_ / name), "precious");
  }
}

// A model whose config says no size, as diffusers allows.
TEST_F(Output, AnImageSizeIsWidthTimesHeight) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(run({"convert", "runs/a", "--to", "diffusers", "--output", "sizeless"}).code, 0);
  const fs::path network = folder_ / "sizeless/unet/config.json";
  json config = json::parse(testing::content_of(network));
  config["sample_size"] = nullptr;
  folder_.write("sizeless/unet/config.json", config.dump());
  const auto sample = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sample",   "sizeless",      "--count",
                                          "2",        "--steps",       "1",
                                          "--output", "s.safetensors", "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  using Shape = std::vector<std::int64_t>;
  const auto shape = [&] { return SafetensorsFile(folder_ / "s.safetensors").get("images").shape; };
  const ProgramResult unknown = sample({});
  EXPECT_EQ(unknown.code, 2);
  for (const char* part : {"size", "--image-size", "--set data.height="})
    EXPECT_TRUE(contains(unknown.err, part)) << unknown.err;
  expect_paths(sample({"--image-size", "16"}), 1);
  EXPECT_EQ(shape(), (Shape{2, 1, 16, 16}));
  expect_paths(sample({"--image-size", "24x8"}), 1);
  EXPECT_EQ(shape(), (Shape{2, 1, 8, 24}));
  for (const char* side : {"data.height=8", "data.width=8"}) {
    expect_paths(sample({"--set", side}), 1);
    EXPECT_EQ(shape(), (Shape{2, 1, 8, 8})) << side;
  }
  for (const char* size : {"0", "16x0", "x16", "16x", "-16", "16x16x3", "99999", "big", ""}) {
    const ProgramResult result = sample({std::string("--image-size=") + size});
    EXPECT_EQ(result.code, 2) << size;
    for (const char* part : {"--image-size", "--set data.height="})
      EXPECT_TRUE(*size == '\0' || contains(result.err, part)) << result.err;
  }
}

TEST_F(Output, TrainTakesAnImageSizeToo) {
  const ProgramResult result = train({"--image-size", "12x8"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json config = json::parse(testing::content_of(folder_ / "runs/a/config.json"));
  EXPECT_EQ(config.at("data").at("width"), 12);
  EXPECT_EQ(config.at("data").at("height"), 8);
}

TEST_F(Output, AFinishedRunResumesToItself) {
  ASSERT_EQ(train().code, 0);
  const fs::path manifest = folder_ / "runs/a/checkpoints/step_00000002/MANIFEST.json";
  const std::string before = testing::content_of(manifest);
  const std::string metrics = testing::content_of(folder_ / "runs/a/metrics.jsonl");
  const ProgramResult again = train({"--resume", "auto"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, "runs/a\n");
  EXPECT_EQ(testing::content_of(manifest), before);
  EXPECT_EQ(testing::content_of(folder_ / "runs/a/metrics.jsonl"), metrics);
}

TEST_F(Output, QuietIsSilentOnSuccessButNotOnFailure) {
  const ProgramResult trained = train({"--quiet"});
  EXPECT_EQ(trained.code, 0);
  EXPECT_EQ(trained.err, "");
  EXPECT_EQ(trained.out, "runs/a\n");
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/train.log"));
  EXPECT_EQ(run({"sample", "--quiet", "--count", "1", "--steps", "2", "--threads", "1"}).err, "");
  EXPECT_NE(train({"--quiet"}).err, "");  // an error: the run exists already
}

TEST_F(Output, ARedirectedStandardErrorHasNoControlCharacters) {
  const ProgramResult result = train();
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find('\r'), std::string::npos) << result.err;
}

TEST_F(Output, NoColorIsHonoured) {
  ::setenv("NO_COLOR", "1", 1);
  ::setenv("CLICOLOR_FORCE", "1", 1);
  const ProgramResult result = run({"sample", "--model", "nowhere"});
  ::unsetenv("NO_COLOR");
  ::unsetenv("CLICOLOR_FORCE");
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos) << result.err;
}

TEST_F(Output, JsonProgressIsAnObjectALine) {
  const ProgramResult result = train({"--progress", "json", "--set", "run.name=b"});
  ASSERT_EQ(result.code, 0);
  std::istringstream lines(result.err);
  int objects = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("{")) continue;
    const json object = json::parse(line);
    EXPECT_EQ(object.at("total"), 2);
    ++objects;
  }
  EXPECT_GE(objects, 1);
}

TEST_F(Output, TrainShowsWhatDiffersAndLogsEverySetting) {
  const ProgramResult result = train();
  ASSERT_EQ(result.code, 0);
  const std::string log = testing::content_of(folder_ / "runs/a/train.log");
  EXPECT_TRUE(contains(result.err, "  model.base_width ")) << result.err;
  EXPECT_FALSE(contains(result.err, "  model.norm_epsilon ")) << result.err;  // the default
  std::istringstream keys(run({"config", "keys"}).out);
  for (std::string key; keys >> key; keys.ignore(10000, '\n'))
    EXPECT_TRUE(contains(log, " info   " + key + " ")) << key;
}

TEST_F(Output, LogFileGetsTheMessages) {
  ASSERT_EQ(train({"--log-file", "my.log"}).code, 0);
  EXPECT_TRUE(contains(testing::content_of(folder_ / "my.log"), "device: "));
}

TEST_F(Output, ConfigShowsValuesAndOrigins) {
  const ProgramResult text =
      run({"config", "show", "--config", "tiny.json", "--set", "training.batch_size=8"});
  ASSERT_EQ(text.code, 0);
  EXPECT_TRUE(contains(text.out, "--set")) << text.out;
  EXPECT_TRUE(contains(text.out, "tiny.json")) << text.out;
  const json shown = json::parse(
      run({"config", "show", "--json", "--config", "tiny.json", "--set", "training.batch_size=8"})
          .out);
  EXPECT_TRUE(contains(shown.dump(), "training.batch_size")) << shown.dump();
  const ProgramResult checked = run({"config", "check", "--config", "tiny.json"});
  EXPECT_EQ(checked.code, 0);
  EXPECT_TRUE(checked.out.starts_with("valid: ")) << checked.out;
  EXPECT_EQ(checked.err, "");
}

TEST_F(Output, SchemaAndKeysNameEveryKeyOfARun) {
  ASSERT_EQ(train().code, 0);
  const json config = json::parse(testing::content_of(folder_ / "runs/a/config.json"));
  const json schema = json::parse(run({"config", "schema"}).out);
  const std::string keys = run({"config", "keys"}).out;
  for (const auto& [section, values] : config.items())
    for (const auto& [key, value] : values.items()) {
      EXPECT_TRUE(schema.at("properties").at(section).at("properties").contains(key)) << key;
      EXPECT_TRUE(contains(keys, section + "." + key)) << key;
    }
}

TEST_F(Output, CompletionsNameEveryCommand) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const ProgramResult result = run({"completion", shell});
    EXPECT_EQ(result.code, 0);
    for (const char* command : {"train", "sample", "denoise", "inspect", "config", "completion"})
      EXPECT_TRUE(contains(result.out, command)) << shell << " " << command;
  }
  EXPECT_EQ(run({"completion", "tcsh"}).code, 2);
}

class Denoise : public Output {
 protected:
  Denoise() { EXPECT_EQ(train({"--set", "training.learning_rate=0.1"}).code, 0); }

  template <class Time>
  std::vector<float> prediction(DType type, Time t) const {
    std::vector<float> x(256);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7 - 0.5f;
    const std::vector<TensorView> input = {
        {"sample", DType::kF32, {1, 1, 16, 16}, std::as_bytes(std::span(x))},
        {"timestep", type, {1}, std::as_bytes(std::span(&t, 1))}};
    write_safetensors(folder_ / "in.safetensors", input);
    expect_paths(
        run({"denoise", "--model", "runs/a", "--weights", "raw", "--input", "in.safetensors",
             "--output", "out.safetensors", "--overwrite", "--threads", "1"}),
        1);
    const SafetensorsFile file(folder_ / "out.safetensors");
    const TensorView& view = file.get("prediction");
    EXPECT_EQ(view.dtype, DType::kF32);
    const auto* data = reinterpret_cast<const float*>(view.bytes.data());
    return {data, data + view.bytes.size() / sizeof(float)};
  }
};

// As ddpm sample does it.
TEST_F(Denoise, ReplacesAFileOnlyIfAsked) {
  static_cast<void>(prediction(DType::kI64, std::int64_t{2}));
  const auto denoise = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"denoise", "--model", "runs/a", "--input", "in.safetensors"});
    return run(more);
  };
  folder_.write("old.safetensors", "precious");
  const ProgramResult refused = denoise({"--output", "old.safetensors"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(contains(refused.err, "--output: 'old.safetensors' exists already")) << refused.err;
  EXPECT_EQ(testing::content_of(folder_ / "old.safetensors"), "precious");
  EXPECT_EQ(denoise({"--output", "old.safetensors", "--overwrite"}).code, 0);
  EXPECT_NE(testing::content_of(folder_ / "old.safetensors"), "precious");
  // Also as there, the folder is created.
  EXPECT_EQ(denoise({"--output", "new/out.safetensors"}).code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "new/out.safetensors"));
}

TEST_F(Denoise, TakesFractionalTimes) {
  const std::vector<float> two = prediction(DType::kI64, std::int64_t{2});
  ASSERT_EQ(two.size(), 256u);
  EXPECT_EQ(prediction(DType::kF32, 2.0f), two);
  const std::vector<float> between = prediction(DType::kF32, 2.5f);
  EXPECT_NE(between, two);
  EXPECT_NE(between, prediction(DType::kI64, std::int64_t{3}));
}

}  // namespace
}  // namespace ddpm
