// Class-conditional models and the DDIM sampler, used through the commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <span>

#include <nlohmann/json.hpp>

#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/tiny_run.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::content_of;
using testing::ProgramResult;

constexpr const char* kConfig = R"({
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true],
            "groups": 4, "final_groups": 4, "dropout": 0, "class_embedding": "table", "classes": 10},
  "data": {"height": 8},
  "diffusion": {"timesteps": 20, "variance": "fixed_small"},
  "training": {"steps": 2, "batch_size": 4, "warmup_steps": 0, "ema_decay": 0, "log_every": 1, "sample_every": 2,
               "sample_count": 2, "sample_steps": 2},
  "sampling": {"count": 3, "steps": 4}
})";

class Classes : public testing::TinyRun {
 protected:
  Classes() { folder_.write("tiny.json", kConfig); }
  ProgramResult sample(const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"sample", "--model", "runs/a", "--output", output};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  // Ten pictures of 8x8 pixels, of classes 0 to 9.
  void write_digits() {
    folder_.write("digits/train-images-idx3-ubyte",
                  testing::from_hex("000008030000000a0000000800000008") + std::string(640, 'x'));
    folder_.write("digits/train-labels-idx1-ubyte",
                  testing::from_hex("000008010000000a00010203040506070809"));
  }
  // Writes the input of ddpm denoise for two images of 1x8x8.
  void write_input(const std::vector<std::int64_t>& labels) {
    const std::vector<float> pixels(2 * 64, 0.5F);
    const std::vector<std::int64_t> t = {3, 19};
    std::vector<TensorView> views = {
        {"sample", DType::kF32, {2, 1, 8, 8}, std::as_bytes(std::span(pixels))},
        {"timestep", DType::kI64, {2}, std::as_bytes(std::span(t))}};
    const auto count = static_cast<std::int64_t>(labels.size());
    if (count > 0)
      views.push_back({"class_labels", DType::kI64, {count}, std::as_bytes(std::span(labels))});
    write_safetensors(folder_ / "in.safetensors", views, {});
  }
  ProgramResult denoise(const std::vector<std::int64_t>& labels, const std::string& output) {
    write_input(labels);
    return run({"denoise", "--model", "runs/a", "--input", "in.safetensors", "--output", output});
  }
};

TEST_F(Classes, AreLearnedSampledAndEvaluated) {
  ASSERT_EQ(train().code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "runs/a/samples/step_00000002.png"));
  ASSERT_EQ(sample("three.safetensors", {"--class", "3"}).code, 0);
  ASSERT_EQ(sample("four.safetensors", {"--class", "4"}).code, 0);
  ASSERT_EQ(sample("drawn.safetensors").code, 0);
  EXPECT_NE(content_of(folder_ / "three.safetensors"), content_of(folder_ / "four.safetensors"));
  EXPECT_NE(content_of(folder_ / "drawn.safetensors"), content_of(folder_ / "four.safetensors"));
  // The texts in PNG files say which class the image shows.
  ASSERT_EQ(
      run({"sample", "--model", "runs/a", "--class", "7", "--count", "1", "--output", "png"}).code,
      0);
  const PngText text = read_png_text(folder_ / "png/000000.png");
  EXPECT_NE(std::ranges::find(text, std::pair<std::string, std::string>("class", "7")), text.end());
  ASSERT_EQ(denoise({3, 9}, "one").code, 0);
  ASSERT_EQ(denoise({3, 8}, "two").code, 0);
  EXPECT_NE(content_of(folder_ / "one"), content_of(folder_ / "two"));
}

TEST_F(Classes, ThatDoNotExistAreRefused) {
  ASSERT_EQ(train().code, 0);
  const ProgramResult unknown = sample("out.safetensors", {"--class", "10"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(contains(unknown.err, "0 to 9")) << unknown.err;
  for (const auto& [labels, words] :
       std::vector<std::pair<std::vector<std::int64_t>, std::string>>{{{}, "no 'class_labels'"},
                                                                      {{3, 10}, "outside 0 to 9"},
                                                                      {{3}, "int64 [2]"},
                                                                      {{-1, 3}, "outside"}}) {
    const ProgramResult result = denoise(labels, "out");
    EXPECT_EQ(result.code, 3);
    EXPECT_TRUE(contains(result.err, words)) << result.err;
  }
}

TEST_F(Classes, MustCoverTheData) {
  for (const char* classes : {"9", "11"}) {
    const ProgramResult wrong = train({"--set", std::string("model.classes=") + classes});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_TRUE(contains(wrong.err, std::string("model.classes = ") + classes +
                                        ": the data have 10 classes (T-shirt, trouser, "))
        << wrong.err;
  }
  // Classes without names are only numbers.
  write_digits();
  const ProgramResult few = train_on("idx", "digits", {"--set", "model.classes=9"});
  EXPECT_EQ(few.code, 2);
  EXPECT_TRUE(contains(few.err, "model.classes = 9: there are images of class 9")) << few.err;
}

TEST_F(Classes, HaveNames) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(sample("number.safetensors", {"--class", "7"}).code, 0);
  const ProgramResult named = sample("name.safetensors", {"--class", "sneaker"});
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(SafetensorsFile(folder_ / "name.safetensors").get("images").bytes.size(), 3U * 64 * 4);
  EXPECT_EQ(content_of(folder_ / "name.safetensors"), content_of(folder_ / "number.safetensors"));
  const ProgramResult close = sample("out.safetensors", {"--class", "sneakers"});
  EXPECT_EQ(close.code, 2);
  EXPECT_TRUE(contains(close.err, "did you mean 'sneaker'?")) << close.err;
  EXPECT_TRUE(contains(run({"inspect", "runs/a"}).out, "  7 sneaker\n"));
  const ProgramResult converted =
      run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "other"});
  EXPECT_EQ(converted.code, 0);
  EXPECT_TRUE(contains(converted.err,
                       "UNet2DModel.from_pretrained(\"other/unet\")(x, t, "
                       "class_labels=labels), with labels from 0 to 9"))
      << converted.err;
  // A file of weights alone knows them too.
  fs::copy_file(checkpoint(2) / "model.safetensors", folder_ / "alone.safetensors");
  EXPECT_EQ(
      run({"sample", "alone.safetensors", "--class", "bag", "--count", "1", "--output", "bag.npz"})
          .code,
      0);
}

class ClassFolders : public Classes {
 protected:
  ClassFolders() {
    for (const char* name : {"cats/1.png", "cats/2.png", "dogs/1.png"})
      folder_.write(std::string("photos/") + name, encode_png(Image(8, 8, 1, 100)));
  }
  ProgramResult train_on_photos(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--set", "model.classes=2", "--set", "data.cache=off"});
    return train_on("folder", "photos", more);
  }
};

TEST_F(ClassFolders, KeepTheirNumbers) {
  ASSERT_EQ(train_on_photos().code, 0);
  const std::vector<std::string> resume = {"--resume", "latest", "--set", "training.steps=3"};
  folder_.write("photos/birds/1.png", encode_png(Image(8, 8, 1, 100)));
  ProgramResult other = train_on_photos({"--resume", "latest"});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(contains(other.err, "the data have 3 classes (birds, cats, dogs)")) << other.err;
  fs::remove_all(folder_ / "photos/cats");
  other = train_on_photos({"--resume", "latest"});
  EXPECT_EQ(other.code, 3);
  EXPECT_TRUE(contains(other.err, "missing: cats; added: birds")) << other.err;
  fs::remove_all(folder_ / "photos/birds");
  folder_.write("photos/cats/1.png", encode_png(Image(8, 8, 1, 100)));
  EXPECT_EQ(train_on_photos(resume).code, 0);
}

TEST_F(ClassFolders, MustHaveAPicture) {
  folder_.write("photos/birds/1.gif", "GIF89a");
  const ProgramResult empty = train_on_photos();
  EXPECT_EQ(empty.code, 3);
  EXPECT_TRUE(contains(empty.err,
                       "class folder 'birds' has no image that can be used "
                       "(passed over: 1 .gif file)"))
      << empty.err;
  EXPECT_EQ(train_on_photos({"--set", "data.exclude=birds"}).code, 0);
  const ProgramResult inspected = run({"inspect", "--data", "photos"});
  EXPECT_TRUE(contains(inspected.out, "birds")) << inspected.out;
  EXPECT_TRUE(contains(inspected.out, "0 cats: 2 images")) << inspected.out;
}

// A checkpoint of a program that had neither orientation nor exclusions.
TEST_F(ClassFolders, MustHoldEveryPicture) {
  for (const char* name : {"photos/1.png", "photos/2.png"})
    folder_.write(name, encode_png(Image(8, 8, 1, 100)));
  const ProgramResult refused = train_on_photos();
  EXPECT_EQ(refused.code, 3);
  EXPECT_TRUE(contains(refused.err, "2 of 5 images have no class (the first is 'photos/1.png')"))
      << refused.err;
}

TEST_F(ClassFolders, AreCalledAsTheyAreShownOrAsTheyAre) {
  const auto sample_class = [&](const std::string& name) {
    return sample("out.npz", {"--overwrite", "--count", "1", "--class", name});
  };
  fs::rename(folder_ / "photos/dogs", folder_ / "photos/d\ns");
  ASSERT_EQ(train_on_photos().code, 0);
  for (const char* name : {"d\\ns", "d\ns"}) {
    const ProgramResult result = sample_class(name);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(contains(result.err, "class: 1 (d\\ns)")) << result.err;
  }
  // A folder of that very name makes it unclear which of the two is meant.
  fs::rename(folder_ / "photos/cats", folder_ / "photos/d\\ns");
  ASSERT_EQ(train_on_photos({"--overwrite"}).code, 0);
  EXPECT_EQ(sample_class("d\ns").code, 0);
  const ProgramResult unclear = sample_class("d\\ns");
  EXPECT_EQ(unclear.code, 2);
  EXPECT_TRUE(contains(unclear.err, "give the number")) << unclear.err;
}

TEST_F(ClassFolders, OfOtherNamesThanTheModelsAreTold) {
  ASSERT_EQ(train_on_photos({"--set", "run.name=old"}).code, 0);
  const std::vector<std::string> start = {"--init-from", "runs/old", "--overwrite"};
  const char* warning = "--init-from: the classes of the data";
  const ProgramResult same = train_on_photos(start);
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_FALSE(contains(same.err, warning)) << same.err;
  fs::rename(folder_ / "photos/dogs", folder_ / "photos/birds");
  const ProgramResult other = train_on_photos(start);
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_TRUE(contains(other.err,
                       "the classes of the data (birds, cats) are not those of the model "
                       "(cats, dogs)"))
      << other.err;
  EXPECT_TRUE(contains(other.err, ": 0 is 'birds' now and was 'cats'")) << other.err;
}

TEST_F(ClassFolders, OfAnOldRunAreReadByItsRules) {
  folder_.write("photos/@eaDir/1.png", encode_png(Image(8, 8, 1, 100)));
  ASSERT_EQ(
      train_on("folder", "photos",
               {"--set", "model.classes=3", "--set", "data.exclude=[]", "--set", "data.cache=off"})
          .code,
      0);
  const fs::path state = checkpoint(2) / "state.json", manifest = checkpoint(2) / "MANIFEST.json";
  auto json = nlohmann::json::parse(content_of(state));
  for (const char* key : {"orientation", "exclude", "labels", "class_names", "background"})
    json["config"]["data"].erase(key);
  std::ofstream(state) << json.dump();
  auto files = nlohmann::json::parse(content_of(manifest));
  for (nlohmann::json& file : files["files"])
    if (file["name"] == "state.json") {
      file["size"] = fs::file_size(state);
      file["sha256"] = sha256_file(state);
    }
  std::ofstream(manifest) << files.dump();
  const std::vector<std::string> resume = {"--set",          "model.classes=3", "--set",
                                           "data.cache=off", "--set",           "training.steps=3",
                                           "--resume",       "latest"};
  const ProgramResult resumed = train_on("folder", "photos", resume);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  const auto saved =
      nlohmann::json::parse(content_of(checkpoint(3) / "state.json"))["config"]["data"];
  EXPECT_EQ(saved["orientation"], "stored");
  EXPECT_EQ(saved["exclude"], nlohmann::json::array());
  std::vector<std::string> explicitly = resume;
  explicitly.insert(explicitly.end(), {"--set", "data.orientation=exif"});
  const ProgramResult refused = train_on("folder", "photos", explicitly);
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(contains(refused.err, "data.orientation: \"stored\" in the checkpoint, \"exif\" now"))
      << refused.err;
}

TEST_F(Classes, CanBeOthersThanThoseOfTheModelToStartFrom) {
  ASSERT_EQ(train({"--set", "run.name=digits", "--set", "model.class_embedding=none", "--set",
                   "model.classes=0"})
                .code,
            0);
  const std::vector<std::string> start = {"--init-from", "runs/digits",
                                          "--set",       "model.class_embedding=table",
                                          "--set",       "model.classes=10"};
  const ProgramResult refused = train(start);
  EXPECT_EQ(refused.code, 4);
  EXPECT_TRUE(contains(refused.err, "missing: class_embedding.weight")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "--reinit-mismatched")) << refused.err;
  EXPECT_FALSE(fs::exists(folder_ / "runs/a"));
  std::vector<std::string> anew = start;
  anew.insert(anew.end(), {"--reinit-mismatched", "--set", "data.channels=3"});
  const ProgramResult trained = train(anew);
  ASSERT_EQ(trained.code, 0) << trained.err;
  for (const char* name : {"missing: class_embedding.weight", "wrong shape: conv_in.weight",
                           "wrong shape: conv_out.bias"})
    EXPECT_TRUE(contains(trained.err, name)) << trained.err;
  EXPECT_FALSE(contains(trained.err, "mid_block")) << trained.err;
}

TEST_F(Classes, AreNothingToAnUnconditionalNetwork) {
  ASSERT_EQ(train({"--set", "model.class_embedding=none", "--set", "model.classes=0"}).code, 0);
  const ProgramResult result = sample("out.safetensors", {"--class", "1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "network is unconditional")) << result.err;
  EXPECT_EQ(denoise({1, 1}, "out").code, 3);
}

TEST_F(Classes, DdimNeedsNoNoise) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(sample("ddim.safetensors", {"--sampler", "ddim"}).code, 0);
  ASSERT_EQ(sample("noisy.safetensors", {"--sampler", "ddim", "--eta", "1"}).code, 0);
  ASSERT_EQ(sample("ddpm.safetensors").code, 0);
  EXPECT_NE(content_of(folder_ / "ddim.safetensors"), content_of(folder_ / "ddpm.safetensors"));
  EXPECT_NE(content_of(folder_ / "ddim.safetensors"), content_of(folder_ / "noisy.safetensors"));
  EXPECT_EQ(sample("out.safetensors", {"--sampler", "ddim", "--eta", "1.5"}).code, 2);
}

TEST_F(Classes, VariancesAreLearnedBesideTheMean) {
  const ProgramResult fixed = train({"--set", "model.predicts_variance=true"});
  EXPECT_EQ(fixed.code, 2);
  EXPECT_TRUE(contains(fixed.err, "set diffusion.variance=learned_range")) << fixed.err;
  const std::vector<std::string> learned = {"--set", "model.predicts_variance=true", "--set",
                                            "diffusion.variance=learned_range"};
  const ProgramResult trained = train(learned);
  ASSERT_EQ(trained.code, 0) << trained.err;
  ASSERT_EQ(sample("out.safetensors").code, 0);
  EXPECT_EQ(denoise({1, 1}, "both").code, 0);
  const SafetensorsFile output(folder_ / "both");
  EXPECT_EQ(output.get("prediction").shape, (std::vector<std::int64_t>{2, 2, 8, 8}));
}

TEST_F(Classes, InspectTellsTwoModelsApart) {
  ASSERT_EQ(train().code, 0);
  write_digits();  // their classes have no names, so that there may be more than the data have
  ASSERT_EQ(
      train_on("idx", "digits", {"--set", "run.name=b", "--set", "model.classes=11", "--seed", "1"})
          .code,
      0);
  const auto diff = [&](const char* a, const char* b) {
    const ProgramResult result = run({"inspect", "--diff", a, b, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  const auto same = diff("runs/a", "runs/a");
  EXPECT_EQ(same["different_tensors"], 0);
  EXPECT_EQ(same["settings"].size(), 0);
  EXPECT_GT(same["equal_tensors"], 10);
  const auto other = diff("runs/a", "runs/b");
  EXPECT_EQ(other["settings"].size(), 2);
  EXPECT_EQ(other["settings"][0], (nlohmann::json{{"key", "model.classes"}, {"a", 10}, {"b", 11}}));
  EXPECT_EQ(other["settings"][1]["key"], "data.class_names");
  EXPECT_EQ(other["shapes"],
            nlohmann::json::array({nlohmann::json{
                {"name", "class_embedding.weight"}, {"a", {10, 32}}, {"b", {11, 32}}}}));
  const std::string text = run({"inspect", "--diff", "runs/a", "runs/b"}).out;
  for (const char* part :
       {"model.classes: 10 -> 11\n", "class_embedding.weight: [10,32] -> [11,32]\n"})
    EXPECT_TRUE(testing::contains(text, part)) << text;
  EXPECT_GT(other["largest_relative_difference"], 0);
  EXPECT_EQ(other["differences"].size(), other["different_tensors"]);
  EXPECT_EQ(run({"inspect", "--diff", "runs/a", "nowhere"}).code, 4);
}

}  // namespace
}  // namespace ddpm
