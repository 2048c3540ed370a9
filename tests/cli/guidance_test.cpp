// Guidance and lists of classes, used through the commands.
#include <gtest/gtest.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ddpm/formats/safetensors.h"
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
            "groups": 4, "final_groups": 4, "dropout": 0, "class_embedding": "table", "classes": 10,
            "null_class": true, "initialization": "pytorch"},
  "data": {"height": 8},
  "diffusion": {"timesteps": 20, "variance": "fixed_small"},
  "training": {"steps": 2, "batch_size": 4, "warmup_steps": 0, "ema_decay": 0, "log_every": 1, "sample_every": 0,
               "label_dropout": 0.2},
  "sampling": {"count": 3, "steps": 4}
})";

class Guidance : public testing::TinyRun {
 protected:
  Guidance() { folder_.write("tiny.json", kConfig); }
  ProgramResult sample(const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"sample",   "--model", "runs/a",
                                    "--output", output,    "--overwrite"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  std::string images(const std::vector<std::string>& more) {
    const ProgramResult result = sample("images.npz", more);
    EXPECT_EQ(result.code, 0) << result.err;
    return content_of(folder_ / "images.npz");
  }
  void expect_refused(const std::vector<std::string>& options, const std::string& words) {
    const ProgramResult result = sample("out.npz", options);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_TRUE(contains(result.err, words)) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "out.npz"));
  }
};

TEST_F(Guidance, LeadsImagesToTheirClass) {
  ASSERT_EQ(train().code, 0);
  const std::string plain = images({"--class", "3"});
  EXPECT_EQ(images({"--class", "3", "--guidance", "1"}), plain);
  // Scale 0 draws the negative class itself.
  EXPECT_EQ(images({"--class", "3", "--guidance", "0"}), images({"--class", "none"}));
  EXPECT_EQ(images({"--class", "3", "--guidance", "0", "--negative-class", "sneaker"}),
            images({"--class", "7"}));
  const std::string guided = images({"--class", "3", "--guidance", "4"});
  EXPECT_NE(guided, plain);
  EXPECT_NE(images({"--class", "3", "--guidance", "4", "--guidance-rescale", "0.9"}), guided);
  // No step has so much noise.
  EXPECT_EQ(images({"--class", "3", "--guidance", "4", "--guidance-interval", "1000,inf"}), plain);
  EXPECT_EQ(images({"--class", "3", "--guidance", "4", "--guidance-interval", "0,inf"}), guided);
}

TEST_F(Guidance, IsToldInTheFiles) {
  ASSERT_EQ(train().code, 0);
  const std::vector<std::string> options = {
      "--class", "bag", "--guidance",       "2.5", "--guidance-interval", "0.1,3",
      "--count", "1",   "--negative-class", "1",   "--guidance-rescale",  "0.5",
      "--steps", "2"};
  ASSERT_EQ(sample("png", options).code, 0);
  const PngText text = read_png_text(folder_ / "png/000000.png");
  for (const auto& pair : PngText{{"class", "8"},
                                  {"guidance", "2.5"},
                                  {"guidance_rescale", "0.5"},
                                  {"guidance_interval", "0.1,3"},
                                  {"negative_class", "1"}})
    EXPECT_NE(std::ranges::find(text, pair), text.end()) << pair.first;
  ASSERT_EQ(sample("bag.safetensors", options).code, 0);
  EXPECT_EQ(SafetensorsFile(folder_ / "bag.safetensors").metadata().at("guidance"), "2.5");
}

TEST_F(Guidance, CanLeadAwayFromAWeakerModel) {
  ASSERT_EQ(train().code, 0);
  ASSERT_EQ(train({"--set", "run.name=weak", "--set", "training.steps=1"}).code, 0);
  const std::string plain = images({"--class", "3"});
  // Away from itself there is nothing to go.
  EXPECT_EQ(images({"--class", "3", "--guidance", "2", "--guide-model", "runs/a"}), plain);
  EXPECT_EQ(
      images({"--class", "3", "--guidance", "0", "--guide-model", "runs/weak", "--batch-size", "2"})
          .size(),
      plain.size());
  ASSERT_EQ(sample("png", {"--guidance", "2", "--guide-model", "runs/weak"}).code, 0);
  const PngText text = read_png_text(folder_ / "png/000000.png");
  EXPECT_TRUE(std::ranges::any_of(text, [](const auto& pair) {
    return pair.first == "guide_model_sha256" && pair.second.size() == 64;
  }));
  expect_refused({"--guidance", "2", "--guide-model", "runs/weak", "--negative-class", "1"},
                 "one of the two");
  ASSERT_EQ(train({"--set", "run.name=other", "--set", "diffusion.schedule=cosine"}).code, 0);
  expect_refused({"--guidance", "2", "--guide-model", "runs/other"}, "its diffusion.schedule is");
}

TEST_F(Guidance, ThatIsImpossibleIsRefused) {
  ASSERT_EQ(train().code, 0);
  for (const char* option : {"--negative-class", "--guidance-rescale", "--guide-model"})
    expect_refused({option, "1"}, std::string(option) + ": without guidance it has no effect");
  expect_refused({"--guidance-interval", "1,2"}, "without guidance it has no effect");
  for (const char* interval : {"1", "a,b", "-1,2", "1,2,3", "", "nan,1"})
    expect_refused({"--guidance", "2", "--guidance-interval", interval}, "not two noise levels");
  expect_refused({"--guidance", "2", "--guidance-interval", "3,2"}, "above the first");
  expect_refused({"--guidance", "2", "--negative-class", "11"}, "classes 0 to 9");
  ASSERT_EQ(
      train({"--overwrite", "--set", "model.null_class=false", "--set", "training.label_dropout=0"})
          .code,
      0);
  expect_refused({"--guidance", "2"}, "has no null class");
  expect_refused({"--class", "none"}, "has no null class");
  EXPECT_NE(images({"--class", "2", "--guidance", "2", "--negative-class", "5"}),
            images({"--class", "2"}));
}

TEST_F(Guidance, NeedsATableOfClasses) {
  const ProgramResult dropout = train({"--set", "model.null_class=false"});
  EXPECT_EQ(dropout.code, 2);
  EXPECT_TRUE(contains(dropout.err, "training.label_dropout = 0.2")) << dropout.err;
  const ProgramResult table = train({"--set", "model.class_embedding=timestep"});
  EXPECT_EQ(table.code, 2);
  EXPECT_TRUE(contains(table.err, "the null class is a row of the table")) << table.err;
  const ProgramResult untrained = train({"--set", "training.label_dropout=0"});
  EXPECT_EQ(untrained.code, 0);
  EXPECT_TRUE(contains(untrained.err, "the null class is not trained")) << untrained.err;
}

TEST_F(Guidance, ClassesAreDealtOutInTurn) {
  ASSERT_EQ(train().code, 0);
  const auto part = [&](const std::vector<std::string>& options, std::size_t i) {
    EXPECT_EQ(sample("s.safetensors", options).code, 0);
    const SafetensorsFile file(folder_ / "s.safetensors");  // owns the bytes
    const auto bytes = file.get("images").bytes;
    const auto image = bytes.subspan(i * 64 * 4, 64 * 4);
    return std::string(reinterpret_cast<const char*>(image.data()), image.size());
  };
  const std::vector<std::string> list = {"--class", "trouser, 7",   "--count",
                                         "4",       "--batch-size", "4"};
  EXPECT_EQ(part(list, 2), part({"--class", "1", "--count", "4", "--batch-size", "4"}, 2));
  EXPECT_EQ(part(list, 3), part({"--class", "7", "--count", "4", "--batch-size", "4"}, 3));
  // The grid has a row for each class; 3 images cannot be dealt out to ten classes.
  const ProgramResult all = sample("all.png", {"--class", "all"});
  ASSERT_EQ(all.code, 0);
  EXPECT_TRUE(contains(all.err, "count: 10 images, 1 of each class")) << all.err;
  const PngText text = read_png_text(folder_ / "all.png");
  EXPECT_NE(std::ranges::find(
                text, std::pair<std::string, std::string>("classes", "0,1,2,3,4,5,6,7,8,9")),
            text.end());
  ASSERT_EQ(sample("two.png", {"--class", "1,7", "--count", "5"}).code, 0);
  const Image grid = read_image(folder_ / "two.png");
  // Pixels are repeated 16 times, and there are 2 between images.
  EXPECT_EQ(grid.width, 3 * (8 * 16 + 2) + 2);
  EXPECT_EQ(grid.height, 2 * (8 * 16 + 2) + 2);
  expect_refused({"--class", "1,sneakrs"}, "did you mean 'sneaker'?");
  expect_refused({"--class", "1,,2"}, "has an empty entry");
  expect_refused({"--class", "1,10,11"}, "classes 0 to 9");
}

TEST_F(Guidance, IsKeptByOtherFormats) {
  ASSERT_EQ(train().code, 0);
  const std::string guided = images({"--class", "3", "--guidance", "2"});
  const ProgramResult converted =
      run({"convert", "--model", "runs/a", "--to", "diffusers", "--output", "other"});
  ASSERT_EQ(converted.code, 0) << converted.err;
  EXPECT_TRUE(contains(converted.err, "labels from 0 to 9, and 10 for no class")) << converted.err;
  const auto unet = nlohmann::json::parse(content_of(folder_ / "other/unet/config.json"));
  EXPECT_EQ(unet["num_class_embeds"], 11);
  EXPECT_EQ(run({"sample", "other", "--class", "3", "--guidance", "2", "--count", "3", "--steps",
                 "4", "--output", "images.npz", "--overwrite"})
                .code,
            0);
  EXPECT_EQ(content_of(folder_ / "images.npz"), guided);
}

}  // namespace
}  // namespace ddpm
