// Pictures that are edited by a trained model: --init-image, inpaint, interpolate, variations, animations.
#include <gtest/gtest.h>

#include <algorithm>

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

class Edits : public testing::TinyRun {
 protected:
  Edits() {
    EXPECT_EQ(train({"--set", "data.height=8", "--set", "training.sample_every=0"}).code, 0);
    Image picture(8, 8, 1);
    for (std::size_t i = 0; i < picture.pixels.size(); ++i)
      picture.pixels[i] = static_cast<std::uint8_t>(3 * i);
    folder_.write("picture.png", encode_png(picture));
    Image mask(8, 8, 1);
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 4; ++x) *mask.at(y, x) = 255;
    folder_.write("mask.png", encode_png(mask));
  }
  ProgramResult draw(const std::string& command, const std::string& output,
                     const std::vector<std::string>& more) {
    std::vector<std::string> all = {command, "--model",     "runs/a",  "--output",
                                    output,  "--overwrite", "--steps", "10"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  // The values of the images in a tensor file that the command writes.
  std::vector<float> images(const std::string& command, const std::vector<std::string>& more) {
    const ProgramResult result = draw(command, "out.safetensors", more);
    EXPECT_EQ(result.code, 0) << result.err;
    const SafetensorsFile file(folder_ / "out.safetensors");
    const auto bytes = file.get("images").bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(values.data()));
    return values;
  }
  void expect_refused(const std::string& command, const std::vector<std::string>& more,
                      const std::string& words, int code = 2) {
    const ProgramResult result = draw(command, "refused.npz", more);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_TRUE(contains(result.err, words)) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "refused.npz"));
  }
};

TEST_F(Edits, BeginWithAPicture) {
  const auto distance = [&](const std::string& strength) {
    const std::vector<float> drawn = images(
        "sample", {"--init-image", "picture.png", "--strength", strength, "--sampler", "ddim"});
    EXPECT_EQ(drawn.size(), 64U);  // one image of one picture
    double sum = 0;
    for (std::size_t i = 0; i < 64; ++i)
      sum += std::abs(static_cast<double>(drawn[i]) - (3.0 * static_cast<double>(i) / 127.5 - 1));
    return sum / 64;
  };
  EXPECT_LT(distance("0.1"), 0.2);
  EXPECT_GT(distance("1"), distance("0.1"));
  const ProgramResult result =
      draw("sample", "png", {"--init-image", "picture.png", "--count", "2", "--sampler", "heun"});
  ASSERT_EQ(result.code, 0) << result.err;
  // Heun's last step has one evaluation: 6 of 10 steps have 11.
  EXPECT_TRUE(contains(result.err, "in 11 evaluations of 10 steps")) << result.err;
  const PngText text = read_png_text(folder_ / "png/000001.png");
  for (const auto& pair : PngText{{"init_image", "picture.png"}, {"strength", "0.6"}})
    EXPECT_NE(std::ranges::find(text, pair), text.end()) << pair.first;
}

TEST_F(Edits, BeginWithThePicturesOfAFolder) {
  folder_.write("many/a.png", encode_png(Image(20, 10, 3, 200)));
  folder_.write("many/b.png", encode_png(Image(8, 8, 1, 30)));
  const ProgramResult result = draw("sample", "png", {"--init-image", "many"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "many/a.png: 10x20 RGB, made 8x8 grey of its centre"))
      << result.err;
  EXPECT_TRUE(fs::exists(folder_ / "png/000001.png"));
  EXPECT_FALSE(fs::exists(folder_ / "png/000002.png"));
}

TEST_F(Edits, DrawAPartAnew) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--jump-length", "3", "--repeats", "2"},
        {"--sampler", "dpm++2m"},
        {"--repeats", "1", "--strength", "0.5"}}) {
    std::vector<std::string> all = {"picture.png", "--mask", "mask.png", "--count", "2"};
    all.insert(all.end(), more.begin(), more.end());
    const std::vector<float> drawn = images("inpaint", all);
    ASSERT_EQ(drawn.size(), 128U);
    double changed = 0;
    for (std::size_t i = 0; i < 128; ++i) {
      const double given = 3.0 * static_cast<double>(i % 64) / 127.5 - 1;
      if (i % 8 >= 4)
        EXPECT_NEAR(drawn[i], given, 1e-6);
      else
        changed = std::max(changed, std::abs(static_cast<double>(drawn[i]) - given));
    }
    EXPECT_GT(changed, 0.1);
  }
  // 10 steps, and 9 more evaluations: from 9, 6 and 3 steps of noise down again.
  const ProgramResult repaint =
      draw("inpaint", "png",
           {"picture.png", "--mask", "mask.png", "--jump-length", "3", "--repeats", "2"});
  EXPECT_TRUE(contains(repaint.err, "RePaint: every 3 steps are made 2 times")) << repaint.err;
  EXPECT_TRUE(contains(repaint.err, "in 19 evaluations of 10 steps")) << repaint.err;
  const Image kept = read_image(folder_ / "png/000000.png");
  EXPECT_EQ(*kept.at(7, 7), 189);
  const PngText text = read_png_text(folder_ / "png/000000.png");
  EXPECT_NE(std::ranges::find(text, std::pair<std::string, std::string>("mask", "mask.png")),
            text.end());
}

TEST_F(Edits, InterpolateBetweenPicturesAndSeeds) {
  const std::vector<float> seeds = images("interpolate", {"seed:3", "seed:4/1", "--count", "3"});
  const auto seeded = [&](const std::string& seed, std::size_t i) {
    const std::vector<float> all = images("sample", {"--sampler", "ddim", "--seed", seed, "--count",
                                                     "2", "--set", "diffusion.clip_x0=false"});
    return std::vector<float>(all.begin() + 64 * static_cast<std::ptrdiff_t>(i),
                              all.begin() + 64 * static_cast<std::ptrdiff_t>(i + 1));
  };
  const std::vector<float> first = seeded("3", 0), last = seeded("4", 1);
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_NEAR(seeds[i], first[i], 1e-4);
    EXPECT_NEAR(seeds[128 + i], last[i], 1e-4);
  }
  // The ends are the pictures themselves, as well as inversion finds their noise.
  const std::vector<float> pictures =
      images("interpolate", {"picture.png", "mask.png", "--count", "2"});
  for (std::size_t i = 0; i < 64; ++i)
    EXPECT_NEAR(pictures[i], 3.0 * static_cast<double>(i) / 127.5 - 1, 0.15);
  const ProgramResult png = draw("interpolate", "row.png", {"seed:1", "picture.png"});
  ASSERT_EQ(png.code, 0) << png.err;
  EXPECT_TRUE(contains(png.err, "picture.png: finding its noise in 10 steps")) << png.err;
  const Image row = read_image(folder_ / "row.png");
  EXPECT_GT(row.width, 8 * row.height);  // nine images in a row
}

TEST_F(Edits, VaryAnImage) {
  const std::vector<float> all = images("sample", {"--count", "4", "--seed", "5"});
  const std::vector<float> same =
      images("sample", {"--variations-of", "3", "--amount", "0", "--count", "1", "--seed", "5"});
  for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(same[i], all[3 * 64 + i], 1e-4);
  const std::vector<float> near =
      images("sample", {"--variations-of", "3", "--count", "2", "--seed", "5"});
  EXPECT_NE(near[0], same[0]);
  EXPECT_NE(near[0], near[64]);
  EXPECT_EQ(SafetensorsFile(folder_ / "out.safetensors").metadata().at("variation_amount"), "0.2");
}

TEST_F(Edits, AreAnimated) {
  const ProgramResult result = draw("sample", "run.apng", {"--count", "3"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string file = content_of(folder_ / "run.apng");
  EXPECT_TRUE(contains(file, "acTL"));
  // Ten frames of 3 images in two columns, twice.
  std::size_t frames = 0;
  for (std::size_t at = 0; (at = file.find("fcTL", at)) != std::string::npos; ++at) ++frames;
  EXPECT_EQ(frames, 10U);
  const Image still = read_image(folder_ / "run.apng");
  EXPECT_EQ(still.width, 4 * (8 * 16 + 2) + 2);
  EXPECT_EQ(still.height, 2 * (8 * 16 + 2) + 2);
  EXPECT_EQ(draw("inpaint", "in.apng", {"picture.png", "--mask", "mask.png"}).code, 0);
  expect_refused("sample", {"--format", "apng"}, "ends in .npz");
}

TEST_F(Edits, RefuseWhatCannotBe) {
  const std::vector<std::string> from = {"--init-image", "picture.png"};
  expect_refused("sample", {"--init-image", "picture.png", "--strength", "1.5"}, "--strength");
  expect_refused("sample", {"--init-image", "picture.png", "--strength", "nan"}, "--strength");
  expect_refused("sample", {"--init-image", "picture.png", "--strength", "0"},
                 "less than one step");
  expect_refused("sample", {"--strength", "0.5"}, "add --init-image");
  expect_refused("sample", {"--amount", "0.5"}, "add --variations-of");
  expect_refused("sample", {"--variations-of", "-1"}, "--variations-of");
  expect_refused("sample", {"--variations-of", "1", "--noise", "x.safetensors"}, "both say");
  expect_refused("sample", {"--init-image", "nowhere.png"}, "no such file", 3);
  folder_.write("text.png", "no picture");
  expect_refused("sample", {"--init-image", "text.png"}, "not a PNG", 3);
  folder_.write("small.png", encode_png(Image(8, 7, 1, 255)));
  expect_refused("inpaint", {"picture.png", "--mask", "small.png"}, "has 7x8 pixels");
  folder_.write("black.png", encode_png(Image(8, 8, 1)));
  expect_refused("inpaint", {"picture.png", "--mask", "black.png"}, "leaves nothing to draw");
  expect_refused("inpaint",
                 {"picture.png", "--mask", "mask.png", "--sampler", "unipc", "--repeats", "3",
                  "--jump-length", "2"},
                 "samplers without memory");
  expect_refused("inpaint", {"picture.png", "--mask", "mask.png", "--repeats", "3"},
                 "there are only 10 steps");
  expect_refused("inpaint", {"picture.png"}, "--mask");
  expect_refused("interpolate", {"seed:x", "seed:1"}, "is not the image of a seed");
  expect_refused("interpolate", {"seed:1/", "seed:1"}, "is not the image of a seed");
  expect_refused("interpolate", {"seed:1", "seed:2", "--count", "1"}, "at least 2 images");
  expect_refused("interpolate", {"seed:1", "seed:2", "--class", "1"}, "unconditional");
}

}  // namespace
}  // namespace ddpm
