#include "ddpm/runs/checkpoint_store.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/formats/sha256.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::message_of;
using testing::TemporaryFolder;

void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class CheckpointTest : public ::testing::Test {
 protected:
  fs::path checkpoints() const { return folder_ / "run/checkpoints"; }
  fs::path save(std::int64_t step, const std::string& content = "weights") {
    return store_.save(step, [&](const fs::path& folder) {
      write(folder / "model.safetensors", content);
      write(folder / "optimizer.safetensors", "moments");
      write(folder / "state.json", "{}");
    });
  }
  std::vector<std::string> names() const {
    std::vector<std::string> list;
    for (const fs::path& path : store_.list()) list.push_back(path.filename().string());
    return list;
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> list;
    for (const auto& entry : fs::directory_iterator(checkpoints()))
      list.push_back(entry.path().filename().string());
    std::sort(list.begin(), list.end());
    return list;
  }
  std::string verify_error(const fs::path& checkpoint) const {
    return message_of<CheckpointError>([&] { verify_checkpoint(checkpoint); });
  }
  // Replaces the manifest of a fresh checkpoint. Returns the error.
  std::string error_of_manifest(const std::string& text) {
    const fs::path checkpoint = save(1);
    write(checkpoint / "MANIFEST.json", text);
    const std::string message = verify_error(checkpoint);
    EXPECT_TRUE(contains(message, checkpoint.string())) << message;
    return message;
  }

  TemporaryFolder folder_;
  CheckpointStore store_{checkpoints()};
};

TEST(CheckpointName, IsPaddedToEightDigits) {
  EXPECT_EQ(checkpoint_name(0), "step_00000000");
  EXPECT_EQ(checkpoint_name(10000), "step_00010000");
  EXPECT_EQ(checkpoint_name(1234567890), "step_1234567890");
}

TEST_F(CheckpointTest, AnAbsentFolderHoldsNone) {
  EXPECT_TRUE(store_.list().empty());
  EXPECT_FALSE(store_.newest());
  store_.prune({.newest = 1});
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(CheckpointTest, SavesFilesManifestAndPointer) {
  const fs::path saved = save(10, "abc");
  EXPECT_EQ(saved, checkpoints() / "step_00000010");
  EXPECT_EQ(store_.newest(), saved);
  EXPECT_EQ(content_of(checkpoints() / "latest"), "step_00000010\n");
  EXPECT_EQ(entries(), (std::vector<std::string>{"latest", "step_00000010"}));
  const auto manifest = nlohmann::json::parse(content_of(saved / "MANIFEST.json"));
  EXPECT_EQ(manifest.at("version"), 1);
  ASSERT_EQ(manifest.at("files").size(), 3u);
  EXPECT_EQ(manifest.at("files")[0].at("name"), "model.safetensors");
  EXPECT_EQ(manifest.at("files")[0].at("size"), 3);
  // The hash of the example in FIPS 180-2.
  EXPECT_EQ(manifest.at("files")[0].at("sha256"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(manifest.at("files")[2].at("name"), "state.json");
}

TEST_F(CheckpointTest, ListsByStepNotByName) {
  for (const std::int64_t step : {100000000, 99999999, 7, 20}) save(step);
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000007", "step_00000020", "step_99999999",
                                               "step_100000000"}));
  // `latest` names the checkpoint saved last, even if its step is earlier.
  EXPECT_EQ(store_.newest()->filename(), "step_00000020");
  fs::remove(checkpoints() / "latest");
  EXPECT_EQ(store_.newest()->filename(), "step_100000000");
}

TEST_F(CheckpointTest, ListsOnlyCompleteCheckpoints) {
  save(5);
  folder_.write("run/checkpoints/step_00000006/model.safetensors", "no manifest");
  folder_.write("run/checkpoints/step_x/MANIFEST.json", "{}");
  folder_.write("run/checkpoints/step_/MANIFEST.json", "{}");
  folder_.write("run/checkpoints/backup/MANIFEST.json", "{}");
  folder_.write("run/checkpoints/.writing_step_00000009/MANIFEST.json", "{}");
  folder_.write("run/checkpoints/step_00000010", "a file");
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000005"}));
}

TEST_F(CheckpointTest, KeepsTheNewest) {
  for (const std::int64_t step : {1, 2, 3, 4}) save(step);
  folder_.write("run/checkpoints/.writing_step_00000005/model.safetensors", "half");
  folder_.write("run/checkpoints/step_00000000.bak/MANIFEST.json", "{}");
  store_.prune({.newest = 2});
  EXPECT_EQ(entries(), (std::vector<std::string>{"latest", "step_00000000.bak", "step_00000003",
                                                 "step_00000004"}));
  store_.prune({.newest = 0});  // one checkpoint always stays
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000004"}));
  EXPECT_TRUE(store_.newest());
}

// A run resumes from before a damaged checkpoint and keeps only one checkpoint. It must not delete
// the next one that it saves, although its step is smaller.
TEST_F(CheckpointTest, NeverPrunesWhatWasSavedLast) {
  save(1);
  const fs::path damaged = save(3);
  write(damaged / "model.safetensors", "weightz");
  const fs::path last = save(2);
  store_.prune({.newest = 2});
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000002", "step_00000003"}));
  store_.prune({.newest = 1});
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000002"}));
  EXPECT_EQ(store_.newest(), last);
}

TEST_F(CheckpointTest, ReplacesOneOfTheSameStep) {
  save(3, "first");
  const fs::path saved = save(3, "second");
  EXPECT_EQ(content_of(saved / "model.safetensors"), "second");
  EXPECT_EQ(entries(), (std::vector<std::string>{"latest", "step_00000003"}));
  verify_checkpoint(saved);
}

TEST_F(CheckpointTest, AFailingWriterLeavesTheOldOneInPlace) {
  const fs::path old = save(1);
  for (const std::int64_t step : {1, 2})
    EXPECT_THROW(store_.save(step,
                             [](const fs::path& folder) {
                               write(folder / "model.safetensors", "half");
                               throw IoError("no space left");
                             }),
                 IoError);
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000001"}));
  EXPECT_EQ(store_.newest(), old);
  EXPECT_EQ(content_of(old / "model.safetensors"), "weights");
  for (const std::string& name : entries())
    EXPECT_TRUE(name == "latest" || name == "step_00000001" || name.starts_with(".")) << name;
  const fs::path next = save(2);  // works despite the files that the failure left
  EXPECT_EQ(content_of(next / "model.safetensors"), "weights");
  store_.prune({.newest = 5});
  EXPECT_EQ(entries(), (std::vector<std::string>{"latest", "step_00000001", "step_00000002"}));
}

TEST_F(CheckpointTest, ADamagedNewestIsPassedOver) {
  const fs::path first = save(1), second = save(2), third = save(3);
  write(third / "model.safetensors", "weightz");
  EXPECT_EQ(store_.newest(), second);
  fs::remove(second / "state.json");
  EXPECT_EQ(store_.newest(), first);
  write(first / "MANIFEST.json", "");
  EXPECT_FALSE(store_.newest());
}

TEST_F(CheckpointTest, APointerToNothingIsPassedOver) {
  const fs::path saved = save(4);
  for (const char* text : {"step_00000099\n", "", "\n", "../../elsewhere\n", "/etc\n", ".\n",
                           "step_00000004/../step_00000004\n"}) {
    write(checkpoints() / "latest", text);
    EXPECT_EQ(store_.newest(), saved) << text;
  }
}

TEST_F(CheckpointTest, AnUnreadablePointerIsPassedOverToo) {
  const fs::path saved = save(4);
  write(checkpoints() / "latest", std::string(10000, 'x'));
  EXPECT_EQ(store_.newest(), saved);
  fs::remove(checkpoints() / "latest");
  fs::create_directory(checkpoints() / "latest");
  EXPECT_EQ(store_.newest(), saved);
}

TEST_F(CheckpointTest, DamageIsNamed) {
  const fs::path saved = save(1, "0123456789");
  const std::string model = (saved / "model.safetensors").string();
  verify_checkpoint(saved);
  write(saved / "model.safetensors", "012345678");
  EXPECT_TRUE(contains(verify_error(saved), model + ": 9 bytes long, the manifest says 10"));
  write(saved / "model.safetensors", "0123456779");
  EXPECT_TRUE(contains(verify_error(saved), model + ": the content does not match"));
  fs::remove(saved / "model.safetensors");
  EXPECT_TRUE(contains(verify_error(saved), model + ": missing"));
  fs::create_directory(saved / "model.safetensors");
  EXPECT_TRUE(contains(verify_error(saved), model + ": missing"));
}

TEST_F(CheckpointTest, WhatIsNoCheckpointIsNamed) {
  EXPECT_TRUE(contains(verify_error(folder_ / "nowhere"), "nowhere"));
  EXPECT_TRUE(contains(verify_error(folder_.path()), folder_.path().string()));
  EXPECT_TRUE(contains(verify_error(folder_.write("file", "x")), "file"));
}

TEST_F(CheckpointTest, RefusesManifestsItDoesNotUnderstand) {
  EXPECT_TRUE(
      contains(error_of_manifest(R"({"version": 2, "files": []})"), "version 2 is unknown"));
  for (const char* text :
       {"", "{", "[]", "3", "{}", R"({"version": 1})", R"({"version": 1, "files": 3})",
        R"({"version": 1, "files": [3]})", R"({"version": 1, "files": [{"name": "state.json"}]})",
        R"({"version": 1, "files": [{"name": "state.json", "size": "2", "sha256": ""}]})",
        R"({"version": 1, "files": [{"name": "state.json", "size": 1e300, "sha256": ""}]})",
        R"({"version": 1, "files": [{"name": "state.json", "size": -2, "sha256": ""}]})",
        R"({"version": 1, "version": 1, "files": []})",
        R"({"version": 1, "files": [{"name": "state.json", "size": 2, "sha256": 0}]})"})
    EXPECT_TRUE(contains(error_of_manifest(text), "MANIFEST.json")) << text;
}

TEST_F(CheckpointTest, AManifestHasNoDepths) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_TRUE(contains(error_of_manifest("{\"version\": " + deep + "}"), "nested deeper than"));
}

TEST_F(CheckpointTest, AManifestCannotPointOutOfItsFolder) {
  folder_.write("run/checkpoints/outside", "abc");
  for (const std::string& name :
       {std::string("../outside"), (checkpoints() / "outside").string(), std::string("a/../b")}) {
    const nlohmann::json manifest = {
        {"version", 1},
        {"files",
         {{{"name", name},
           {"size", 3},
           {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}}}};
    const fs::path checkpoint = save(1);
    write(checkpoint / "MANIFEST.json", manifest.dump());
    EXPECT_TRUE(contains(verify_error(checkpoint), name));
  }
}

// A file that the manifest does not list would be read without verification.
TEST_F(CheckpointTest, AManifestMustListEveryFileThatMatters) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const fs::path saved = save(1);
    auto manifest = nlohmann::json::parse(content_of(saved / "MANIFEST.json"));
    auto& files = manifest.at("files");
    files.erase(std::find_if(files.begin(), files.end(),
                             [&](const auto& entry) { return entry.at("name") == name; }));
    write(saved / "MANIFEST.json", manifest.dump());
    EXPECT_TRUE(contains(verify_error(saved), std::string("does not list ") + name));
    fs::remove(saved / name);
    EXPECT_TRUE(contains(verify_error(saved), std::string("does not list ") + name));
  }
  const fs::path saved = save(1);
  write(saved / "notes.txt", "a user's");
  verify_checkpoint(saved);
  write(saved / "ema.safetensors", "slipped in");
  EXPECT_TRUE(contains(verify_error(saved), "ema.safetensors: not in the manifest"));
}

TEST_F(CheckpointTest, KeepsMilestonesAndTheBest) {
  for (const std::int64_t step : {10, 15, 20, 25, 30, 35}) save(step);
  EXPECT_FALSE(store_.best());
  store_.set_best(checkpoints() / "step_00000015");
  EXPECT_EQ(store_.best(), checkpoints() / "step_00000015");
  store_.prune({.newest = 1, .every = 20});
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000015", "step_00000020", "step_00000035"}));
  store_.set_best(checkpoints() / "step_00000020");
  store_.prune({.newest = 2});
  EXPECT_EQ(names(), (std::vector<std::string>{"step_00000020", "step_00000035"}));
  fs::remove_all(checkpoints() / "step_00000020");
  EXPECT_FALSE(store_.best());
}

TEST_F(CheckpointTest, NoticesEveryFlippedBit) {
  const fs::path saved = save(1);
  for (const char* name :
       {"model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"}) {
    const std::string content = content_of(saved / name);
    for (std::size_t i = 0; i < 8 * content.size(); ++i) {
      std::string damaged = content;
      damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ 1 << i % 8);
      write(saved / name, damaged);
      EXPECT_THROW(verify_checkpoint(saved), CheckpointError) << name << " bit " << i;
    }
    write(saved / name, content);
  }
  verify_checkpoint(saved);
}

}  // namespace
}  // namespace ddpm
