// File names can hold anything. JSON stays valid, and no terminal or log gets them raw.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

class Names : public testing::TinyRun {
 protected:
  Names() {
    const std::string picture =
        content_of(fs::path(DDPM_SOURCE_DIR) / "docs/images/quickstart.png");
    folder_.write("names/plain/plain.png", picture);
    folder_.write("names/caf\xE9/latin\xE9.png", picture);
    folder_.write("names/plain/escape\x1B[31m\nline.png", picture);
    folder_.write("names/plain/broken\x1B[31m\nerror: all is lost\xE9.png", "no picture");
  }
  static void expect_harmless(const std::string& text) {
    EXPECT_EQ(printable(text, /*keep_lines=*/true), text);
    for (const char* forged : {"\nline.png", "\nerror: all is lost"})
      EXPECT_FALSE(contains(text, forged)) << text;
  }
  static void expect_harmless(const ProgramResult& result) {
    expect_harmless(result.out);
    expect_harmless(result.err);
  }
};

TEST_F(Names, AreValidJson) {
  const ProgramResult result = run({"inspect", "--data", "names", "--json"});
  EXPECT_EQ(result.code, 3) << result.err;
  expect_harmless(result);
  const json data = json::parse(result.out);
  EXPECT_EQ(data.at("images"), 3);
  EXPECT_EQ(data.at("classes")[0], (json{{"number", 0}, {"name", "caf\\xE9"}, {"images", 1}}));
  EXPECT_EQ(data.at("bad")[0].at("path"),
            "names/plain/broken\x1B[31m\nerror: all is lost\\xE9.png");
}

TEST_F(Names, AreShownHarmlessly) {
  const ProgramResult data = run({"inspect", "--data", "names"});
  expect_harmless(data);
  for (const char* part :
       {"0 caf\\xE9: 1 image\n", "names/plain/broken\\x1B[31m\\nerror: all is lost\\xE9.png: "})
    EXPECT_TRUE(contains(data.out, part)) << data.out;
  const ProgramResult strict = train_on("folder", "names");
  EXPECT_EQ(strict.code, 3);
  EXPECT_TRUE(contains(strict.err, "broken\\x1B[31m\\nerror: all is lost\\xE9.png'")) << strict.err;
  expect_harmless(strict);
}

TEST_F(Names, AreHarmlessInAllThatARunWrites) {
  const ProgramResult result = train_on(
      "folder", "names", {"--set", "data.on_bad_image=skip", "--log-file", "my\x1B[31m\xE9.log"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "skipped image names/plain/broken\\x1B[31m\\nerror"))
      << result.err;
  expect_harmless(result);
  expect_harmless(content_of(folder_ / "runs/a/train.log"));
  const json environment = json::parse(content_of(folder_ / "runs/a/environment.json"));
  EXPECT_TRUE(contains(environment.at("command_line"), "my\x1B[31m\\xE9.log"));
}

TEST_F(Names, OfFoldersOnTheCommandLineMayBeAnything) {
  const ProgramResult result = run({"inspect", "--data", "names/caf\xE9", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out).at("source"), "folder names/caf\\xE9");
  expect_harmless(run({"inspect", "no\x1B[31m\xE9"}));
  expect_harmless(run({"inspect", "--no\x1B[31m\xE9"}));
  expect_harmless(run({"sample", "--steps", "no\x1B[31m\xE9"}));
  expect_harmless(run({"config", "check", "--config", "no\x1B[31m\xE9"}));
}

// Scripts get the bytes of a path, so that they can open it.
TEST_F(Names, OfResultsAreExactForScripts) {
  ASSERT_EQ(train().code, 0);
  const std::string name = "out\xE9.npz";
  const ProgramResult result =
      run({"sample", "--model", "runs/a", "--count", "1", "--steps", "1", "--output", name});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, name + "\n");
}

TEST_F(Names, ThatTheShellDidNotExpandAreExplained) {
  for (const ProgramResult& result : {train({"--set", "data.path=~/ddpm-no-such-photos"}),
                                      run({"inspect", "--data", "~/ddpm-no-such-photos"})}) {
    EXPECT_EQ(result.code, 3) << result.err;
    EXPECT_TRUE(contains(result.err, "/ddpm-no-such-photos' was probably meant")) << result.err;
  }
  const ProgramResult model = run({"inspect", "~/ddpm-no-such-model"});
  EXPECT_EQ(model.code, 4);
  EXPECT_TRUE(contains(model.err, "/ddpm-no-such-model' was probably meant")) << model.err;
  const ProgramResult runs = train({"--set", "run.directory=~/ddpm-no-such-runs"});
  EXPECT_EQ(runs.code, 2);
  EXPECT_TRUE(contains(runs.err, "/ddpm-no-such-runs/a' was probably meant")) << runs.err;
  EXPECT_FALSE(fs::exists(folder_ / "~"));
}

}  // namespace
}  // namespace ddpm
