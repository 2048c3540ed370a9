// Mistakes of users, and broken or hostile files: each gives one exit code and one message, and
// nothing is written.
#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "ddpm/base/bytes.h"
#include "ddpm/image/codec.h"
#include "support/gzip.h"
#include "support/png.h"
#include "support/tar.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::ProgramResult;

class BadInput : public testing::TinyRun {
 protected:
  // Expects the exit code, every part in the message, nothing on standard output, and no run.
  void expect_failure(const ProgramResult& result, int code,
                      const std::vector<std::string>& parts) const {
    EXPECT_EQ(result.code, code) << result.err;
    for (const std::string& part : parts)
      EXPECT_TRUE(contains(result.err, part)) << "'" << part << "' is not in: " << result.err;
    EXPECT_EQ(result.out, "");
    for (const char* internal : {"terminate called", "what():", ".cpp:", "Exception raised from"})
      EXPECT_FALSE(contains(result.err, internal)) << result.err;
    EXPECT_FALSE(trained());
  }
};

// --- Config: exit code 2 -------------------------------------------------------------------------

TEST_F(BadInput, ConfigFilesNameFileLineAndKey) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"{\n\"training\": {\n\"bach_size\": 3}}",
       {"bad.json:3", "training.bach_size", "training.batch_size"}},
      {"{\"trainig\": {}}", {"bad.json:1", "'trainig'", "'training'"}},
      {"{\n\"training\": {\"steps\": \"many\"}}", {"bad.json:2", "training.steps", "integer"}},
      {"{\"model\": {\"dropout\": 1.5}}", {"bad.json:1", "model.dropout", "[0, 1)"}},
      {"{\"model\": {\"attention\": [true]}}", {"model.attention"}},
      {"{\"model\": {\"groups\": 7}}", {"model.groups"}},
      {"{\"training\": {\"batch_size\": 4, \"micro_batches\": 3}}", {"training.micro_batches"}},
      {"{\n\"run\": {\"seed\": 1,}}", {"bad.json:2:", "JSON"}},
      {"", {"bad.json:1", "JSON"}},
      {"\x7f"
       "ELF\x02\x01",
       {"bad.json:1", "JSON"}},
      {"[]", {"bad.json:1", "object"}},
      {"{\"extends\": \"nowhere.json\"}", {"bad.json:1", "extends", "nowhere.json"}},
      {"{\"extends\": \"bad.json\"}", {"bad.json:1", "circle"}},
      {"{\"run\": {\"device\": \"gpu\"}}", {"run.device", "cuda"}},
  };
  for (const auto& [text, parts] : cases) {
    folder_.write("bad.json", text);
    expect_failure(run({"train", "--config", "bad.json"}), 2, parts);
  }
  expect_failure(run({"config", "check", "--config", "bad.json"}), 2, cases.back().second);
}

TEST_F(BadInput, OptionsNameThemselves) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--set", "training.stesp=3"}, "training.steps"},
      {{"--set", "training.lr=1"}, "did you mean 'training.learning_rate'?"},
      {{"--set", "lr=1"}, "did you mean 'training.learning_rate'?"},
      {{"--set", "training.steps=0"}, "training.steps"},
      {{"--set", "training.steps"}, "--set"},
      {{"--set", "=3"}, "--set"},
      {{"--precision", "fp16"}, "--precision"},
      {{"--device", "tpu"}, "--device"},
      {{"--threads", "-1"}, "--threads"},
      {{"--threads", "two"}, "--threads"},
      {{"--seed", "-1"}, "--seed"},
      {{"--progress", "fancy"}, "--progress"},
      {{"--resume", "auto", "--overwrite"}, "--overwrite"},
      {{"--stesp", "3"}, "--stesp"},
  };
  for (const auto& [options, part] : cases) expect_failure(train(options), 2, {part});
}

TEST_F(BadInput, ASizeThatTheLevelsDoNotDivideIsNamed) {
  const ProgramResult result =
      train({"--set", "model.width_multipliers=[1,1,1]", "--set",
             "model.attention=[false,false,false]", "--set", "data.height=18"});
  expect_failure(result, 2, {"18x18", "multiples of 4", "data.height=20"});
}

TEST_F(BadInput, AMissingConfigIsNamed) {
  expect_failure(run({"train", "--config", "nowhere.json"}), 2, {"nowhere.json"});
  expect_failure(run({"train", "--config", "."}), 2, {"'.'"});
}

// --- Data: exit code 3 ---------------------------------------------------------------------------

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  append_big_endian(bytes, value, 4);
  return bytes;
}

// Well-formed chunks that claim a huge grey image, with compressed data of no bytes.
std::string png_claiming(std::uint32_t width, std::uint32_t height) {
  return testing::kPngSignature + testing::png_header(width, height) +
         testing::png_chunk("IDAT", testing::from_hex("789c030000000001")) +
         testing::png_chunk("IEND", "");
}

std::string small_png(std::uint8_t value) { return encode_png(Image(8, 8, 1, value)); }

TEST_F(BadInput, FoldersWithoutImages) {
  expect_failure(train_on("folder", "nowhere"), 3, {"nowhere", "does not exist"});
  fs::create_directory(folder_ / "empty");
  expect_failure(train_on("folder", "empty"), 3, {"empty", ".png"});
  folder_.write("texts/a.txt", "no image");
  expect_failure(train_on("folder", "texts"), 3, {"texts"});
  expect_failure(train_on("folder", "tiny.json"), 3, {"tiny.json"});
  expect_failure(train_on("folder", ""), 2, {"data.path"});
}

// A path alone is enough, and is never passed over.
TEST_F(BadInput, APathIsUsedOrRefused) {
  const auto set = [](const std::string& path) {
    return std::vector<std::string>{"--set", "data.path=" + path, "--set", "data.height=8"};
  };
  expect_failure(train(set("nowhere")), 3, {"data.path", "'nowhere' does not exist"});
  expect_failure(train_on("embedded", "images"), 2, {"embedded", "have no path"});
  expect_failure(run({"inspect", "--data", "nowhere"}), 3, {"'nowhere' does not exist"});
  const std::vector<std::string> check = {"config", "check", "--config", "tiny.json"};
  const auto checked = [&](const std::string& path) {
    std::vector<std::string> arguments = check;
    arguments.insert(arguments.end(), {"--set", "data.path=" + path});
    return run(arguments);
  };
  expect_failure(checked("nowhere"), 3, {"'nowhere' does not exist"});
  folder_.write("images/x/a.png", small_png(1));
  EXPECT_TRUE(contains(checked("images").out, "valid: ")) << checked("images").out;
  const ProgramResult inspected = run({"inspect", "--data", "images"});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_TRUE(contains(inspected.out, "8x8: 1 image\n")) << inspected.out;
  const ProgramResult trained = train(set("images"));
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(contains(trained.err, "data: 1 image of 8x8 pixels and 1 channel")) << trained.err;
}

TEST_F(BadInput, BrokenImagesAreNamed) {
  const std::string png = small_png(7);
  const std::vector<std::pair<std::string, std::string>> files = {
      {"empty.png", ""},
      {"text.png", "this is no image"},
      {"pointer.png", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"},
      {"page.jpg", "\n<!DOCTYPE html>"},
      {"cut.png", png.substr(0, png.size() / 2)},
      {"empty.jpg", ""},
      {"cut.jpg", testing::from_hex("ffd8ffe000104a46494600010100000100010000")},
      {"cut.bmp", "BM"},
  };
  for (const auto& [name, content] : files) {
    fs::remove_all(folder_ / "images");
    folder_.write("images/good.png", png);
    folder_.write("images/" + name, content);
    expect_failure(train_on("folder", "images"), 3, {"images/" + name, "on_bad_image"});
  }
}

TEST_F(BadInput, WhatIsThereInsteadOfImagesIsNamed) {
  folder_.write("images/pointer.png", "version https://git-lfs.github.com/spec/v1\noid sha256:0");
  folder_.write("images/page.jpg", "\n<!DOCTYPE html>");
  const ProgramResult listed = run({"inspect", "--data", "images", "--json"});
  EXPECT_EQ(listed.code, 3);
  EXPECT_TRUE(contains(listed.out, "git lfs pull")) << listed.out;
  EXPECT_TRUE(contains(listed.out, "a web page or SVG")) << listed.out;
  folder_.write("any.tar", testing::tar_member("cifar-100-python/train", "x") + testing::tar_end());
  expect_failure(run({"inspect", "--data", "any.tar"}), 3, {"data.source=cifar100"});
}

TEST_F(BadInput, AHugeClaimCostsNoMemory) {
  const ProgramResult small = train_on("folder", "nowhere");
  for (const auto& [width, height] : {std::pair{100000u, 100000u}, {1u, 4000000000u}}) {
    folder_.write("images/bomb.png", png_claiming(width, height));
    const ProgramResult result = train_on("folder", "images");
    expect_failure(result, 3, {"images/bomb.png"});
    EXPECT_LT(result.peak_kib, small.peak_kib + 200 * 1024);
  }
}

TEST_F(BadInput, BrokenIdxFilesAreNamed) {
  const auto idx = [](std::uint32_t count, const std::string& pixels) {
    return big_endian(0x803) + big_endian(count) + big_endian(8) + big_endian(8) + pixels;
  };
  const std::string two(128, 'x');
  const std::vector<std::pair<std::string, std::string>> files = {
      {"empty", ""},
      {"magic", "\x01\x02\x03\x04" + idx(2, two).substr(4)},
      {"header", idx(2, two).substr(0, 10)},
      {"cut", idx(2, two.substr(1))},
      {"none", idx(0, "")},
      {"claim", idx(0xFFFFFFFF, two)},
      {"labels", big_endian(0x801) + big_endian(2) + "ab"},
      {"cut.gz", testing::gzip(idx(2, two)).substr(0, 30)},
      {"damaged.gz", testing::gzip(idx(2, two)).replace(12, 2, "??")},
      {"bomb.gz", testing::gzip(idx(2, two) + std::string(1 << 20, '\0'))},
  };
  for (const auto& [name, content] : files) {
    folder_.write(name, content);
    const ProgramResult result = train_on("idx", name);
    expect_failure(result, 3, {name});
    EXPECT_LT(result.peak_kib, 1500 * 1024) << name;
  }
  folder_.write("good", idx(2, two));
  EXPECT_EQ(train_on("idx", "good").code, 0);
}

TEST_F(BadInput, BrokenArchivesAreNamed) {
  using testing::tar_end;
  using testing::tar_member;
  std::string batches;
  for (int i = 1; i <= 5; ++i)
    batches += tar_member("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin",
                          std::string(3073, '\1'));
  const std::vector<std::pair<std::string, std::string>> files = {
      {"cut.tar.gz", testing::gzip(batches + tar_end()).substr(0, 100)},
      {"cut.tar", batches.substr(0, 8000)},
      {"climbs.tar",
       tar_member("../data_batch_1.bin", std::string(3073, '\1')) + batches + tar_end()},
      {"absolute.tar", tar_member("/tmp/data_batch_1.bin", "x") + batches + tar_end()},
      {"claim.tar", testing::tar_header("data_batch_1.bin", 07777777777)},
      {"other.tar", tar_member("readme", "hello") + tar_end()},
      {"empty.tar", ""},
      {"text.tar", std::string(2000, 'x')},
  };
  for (const auto& [name, content] : files) {
    folder_.write(name, content);
    const ProgramResult result = train_on("cifar10", name);
    expect_failure(result, 3, {name});
    EXPECT_LT(result.peak_kib, 1500 * 1024) << name;
  }
  EXPECT_FALSE(fs::exists(folder_.path().parent_path() / "data_batch_1.bin"));
  folder_.write("good.tar.gz", testing::gzip(batches + tar_end()));
  EXPECT_EQ(train_on("cifar10", "good.tar.gz").code, 0);
}

TEST_F(BadInput, BadImagesCanBeSkipped) {
  folder_.write("images/a.png", small_png(1));
  folder_.write("images/b.png", "");
  folder_.write("images/c.png", png_claiming(100000, 100000));
  const ProgramResult result = train_on("folder", "images", {"--set", "data.on_bad_image=skip"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "b.png")) << result.err;
  EXPECT_TRUE(contains(result.err, "data: 1 image of")) << result.err;
}

TEST_F(BadInput, SkippingEveryImageIsAnError) {
  folder_.write("images/b.png", "");
  expect_failure(train_on("folder", "images", {"--set", "data.on_bad_image=skip"}), 3, {"images"});
}

TEST_F(BadInput, InspectListsEveryBadImage) {
  folder_.write("images/x/a.png", small_png(1));
  folder_.write("images/x/b.png", "");
  folder_.write("images/y/c.jpg", "not a jpeg");
  folder_.write("images/y/d.png", png_claiming(100000, 100000));
  const std::vector<std::string> arguments = {
      "inspect", "--data", "--set", "data.source=folder", "--set", "data.path=images"};
  ProgramResult result = run(arguments);
  EXPECT_EQ(result.code, 3) << result.err;
  for (const char* part : {"x/b.png", "y/c.jpg", "y/d.png", "8x8: 1 image\n", "y: 0 images\n"})
    EXPECT_TRUE(contains(result.out, part)) << result.out;
  EXPECT_FALSE(contains(result.out, "a.png")) << result.out;
  for (const char* bad : {"x/b.png", "y/c.jpg", "y/d.png"}) fs::remove(folder_ / "images" / bad);
  folder_.write("images/y/e.png", encode_png(Image(8, 12, 1, 2)));  // messages say width x height
  result = run(arguments);
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.out, "12x8: 1 image\n")) << result.out;
}

// --- Machine: exit code 1 ------------------------------------------------------------------------

TEST_F(BadInput, AGpuThatIsNotThere) {
  if (fs::exists("/dev/nvidia0")) GTEST_SKIP() << "there is a GPU";
  expect_failure(train({"--device", "cuda"}), 1, {"cuda"});
  const ProgramResult automatic = train();  // logs which device it chose and why
  EXPECT_EQ(automatic.code, 0);
  EXPECT_TRUE(contains(automatic.err, "device: cpu")) << automatic.err;
}

// --- Models: exit code 4 -------------------------------------------------------------------------

TEST_F(BadInput, NoModelAnywhere) {
  expect_failure(run({"sample"}), 4, {"runs", "ddpm train", "--model"});
  expect_failure(run({"sample", "--config", "tiny.json"}), 4, {"runs/run"});
  expect_failure(run({"sample", "--model", "nowhere"}), 4, {"nowhere"});
  expect_failure(run({"inspect", "nowhere"}), 4, {"nowhere"});
  expect_failure(run({"sample", "nowhere"}), 4, {"nowhere"});
  expect_failure(run({"inspect", "--batch-size", "0"}), 2, {"--batch-size"});
  expect_failure(train({"--resume", "latest"}), 4, {"runs/a/checkpoints"});
  expect_failure(train({"--resume", "tiny.json"}), 4, {"tiny.json"});
}

}  // namespace
}  // namespace ddpm
