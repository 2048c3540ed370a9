#include "ddpm/data/pictures.h"

#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/image/codec.h"
#include "support/files.h"

namespace ddpm {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;

class Pictures : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const Image& image) {
    folder_.write(name, encode_png(image));
    return folder_ / name;
  }
  torch::Tensor read(const fs::path& path) {
    const std::vector<fs::path> paths = {path};
    return read_pictures(paths, data_);
  }

  testing::TemporaryFolder folder_;
  DataConfig data_{.height = 4, .width = 4, .channels = 1};
};

TEST_F(Pictures, AreFittedAsTrainingImagesAre) {
  // Red is 0.299 of the luma; the centre is a square.
  Image wide(4, 8, 3);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 8; ++x) wide.at(y, x)[0] = x >= 2 && x < 6 ? 255 : 0;
  const torch::Tensor picture = read(write("wide.png", wide));
  ASSERT_EQ(picture.sizes(), torch::IntArrayRef({1, 1, 4, 4}));
  EXPECT_TRUE(torch::allclose(picture, torch::full({1, 1, 4, 4}, 76 / 127.5 - 1), 0, 1e-6));
  data_.range = PixelRange::kUnit;
  EXPECT_TRUE(
      torch::allclose(read(folder_ / "wide.png"), torch::full({1, 1, 4, 4}, 76 / 255.0), 0, 1e-6));
  data_.channels = 6;
  EXPECT_THROW(read(folder_ / "wide.png"), ConfigError);
  data_.channels = 1;
  EXPECT_THROW(read(folder_ / "nowhere.png"), DataError);
  folder_.write("text.png", "no picture");
  EXPECT_THROW(read(folder_ / "text.png"), DataError);
}

TEST_F(Pictures, OfAFolderAreSorted) {
  for (const char* name : {"many/b.png", "many/a/c.png", "many/a.png"}) write(name, Image(4, 4, 1));
  folder_.write("many/notes.txt", "x");
  const std::vector<fs::path> found = find_pictures(folder_ / "many", data_);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0], folder_ / "many/a/c.png");
  EXPECT_EQ(found[2], folder_ / "many/b.png");
  EXPECT_EQ(find_pictures(folder_ / "many/b.png", data_).size(), 1U);
  fs::create_directory(folder_ / "empty");
  EXPECT_THROW(find_pictures(folder_ / "empty", data_), DataError);
}

TEST_F(Pictures, HaveMasksOfTheirSize) {
  Image picture(8, 8, 3, 100), mask(8, 8, 1);
  for (int y = 0; y < 8; ++y)
    for (int x = 4; x < 8; ++x) *mask.at(y, x) = 255;
  const fs::path a = write("picture.png", picture), b = write("mask.png", mask);
  const torch::Tensor keep = read_kept_pixels(b, a, data_);
  EXPECT_EQ(keep.scalar_type(), torch::kBool);
  EXPECT_TRUE(torch::equal(keep[0][0][1], torch::tensor({true, true, false, false})));
  // Transparent parts are kept, whatever their colour.
  Image clear(8, 8, 4, 255);
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 4; ++x) clear.at(y, x)[3] = 0;
  EXPECT_TRUE(torch::equal(read_kept_pixels(write("clear.png", clear), a, data_), keep));
  const std::string size = message_of<ConfigError>(
      [&] { read_kept_pixels(write("small.png", Image(8, 7, 1)), a, data_); });
  EXPECT_TRUE(contains(size, "has 7x8 pixels")) << size;
  EXPECT_TRUE(contains(message_of<ConfigError>(
                           [&] { read_kept_pixels(write("black.png", Image(8, 8, 1)), a, data_); }),
                       "leaves nothing to draw"));
}

}  // namespace
}  // namespace ddpm
