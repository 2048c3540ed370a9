#include "ddpm/image/image.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "ddpm/image/grid.h"
#include "ddpm/image/resize.h"

namespace ddpm {
namespace {

using Pixels = std::vector<std::uint8_t>;

Image image_of(int height, int width, int channels, Pixels pixels) {
  Image image(height, width, channels);
  image.pixels = std::move(pixels);
  return image;
}

TEST(ConvertChannels, GreyIsTheLumaOfBt601) {
  // 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.07
  const Image rgb = image_of(1, 4, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255});
  EXPECT_EQ(convert_channels(rgb, 1).pixels, (Pixels{76, 150, 29, 255}));
}

TEST(ConvertChannels, TransparencyShowsWhite) {
  const Image rgba = image_of(1, 3, 4, {10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 51});
  // 255 * (1 - 51/255) = 204
  EXPECT_EQ(convert_channels(rgba, 3).pixels, (Pixels{10, 20, 30, 255, 255, 255, 204, 204, 204}));
  EXPECT_EQ(convert_channels(rgba, 1).pixels[2], 204);
}

TEST(ConvertChannels, AddsWhatIsMissing) {
  EXPECT_EQ(convert_channels(image_of(1, 1, 1, {7}), 3).pixels, (Pixels{7, 7, 7}));
  EXPECT_EQ(convert_channels(image_of(1, 1, 1, {7}), 4).pixels, (Pixels{7, 7, 7, 255}));
  EXPECT_EQ(convert_channels(image_of(1, 1, 3, {1, 2, 3}), 4).pixels, (Pixels{1, 2, 3, 255}));
  EXPECT_THROW(convert_channels(Image(1, 1, 1), 2), std::invalid_argument);
}

TEST(Resize, KeepsConstantImages) {
  for (const int side : {1, 5, 16, 40})
    EXPECT_EQ(resize(Image(16, 16, 3, 137), side, side).pixels, Image(side, side, 3, 137).pixels);
}

TEST(Resize, AveragesWhenShrinking) {
  // At a quarter of its size a fine checkerboard is plain grey; point sampling would give 0 or 255.
  Image board(32, 32, 1);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x) *board.at(y, x) = (x + y) % 2 == 0 ? 255 : 0;
  for (const std::uint8_t value : resize(board, 8, 8).pixels) EXPECT_NEAR(value, 127.5, 8);
}

TEST(Resize, TransparentPixelsDoNotBleed) {
  // Opaque white is beside transparent black: every visible pixel of the result must stay white.
  const Image image =
      image_of(1, 4, 4, {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0});
  const Image half = resize(image, 1, 2);
  EXPECT_GE(half.pixels[0], 254);
  EXPECT_GT(half.pixels[3], 200);
}

TEST(ResizeAndCenterCrop, KeepsTheCentreOfTheLongerSide) {
  // Left third red, middle green, right blue: the middle square is green.
  Image wide(10, 30, 3);
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 30; ++x) wide.at(y, x)[x / 10] = 200;
  const Image square = resize_and_center_crop(wide, 5, 5);
  EXPECT_EQ(square.pixels, resize(image_of(1, 1, 3, {0, 200, 0}), 5, 5).pixels);
  EXPECT_EQ(resize_and_center_crop(wide, 10, 30).pixels, wide.pixels);
}

TEST(ResizeAndCenterCrop, SurvivesExtremeShapes) {
  EXPECT_EQ(resize_and_center_crop(Image(1, 16384, 1, 9), 64, 64).pixels,
            Image(64, 64, 1, 9).pixels);
  EXPECT_EQ(resize_and_center_crop(Image(16384, 1, 1, 9), 3, 64).pixels, Image(3, 64, 1, 9).pixels);
}

TEST(Crop, TakesTheWindow) {
  const Image image = image_of(2, 3, 1, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(crop(image, 1, 1, 1, 2).pixels, (Pixels{5, 6}));
  EXPECT_THROW(crop(image, 1, 1, 2, 2), std::invalid_argument);
  EXPECT_THROW(crop(image, -1, 0, 1, 1), std::invalid_argument);
}

TEST(CropMargin, IsAnEighth) {
  EXPECT_EQ(side_with_crop_margin(32), 36);
  EXPECT_EQ(side_with_crop_margin(28), 32);  // 31.5
  EXPECT_EQ(side_with_crop_margin(1), 1);
}

TEST(Grid, PutsImagesInRowsWithPadding) {
  const std::vector<Image> images = {Image(1, 2, 1, 10), Image(1, 2, 1, 20), Image(1, 2, 1, 30)};
  const Image sheet = make_grid(images, {.padding = 1, .min_width = 1});
  // Two columns of width 2, two rows of height 1, background 48.
  EXPECT_EQ(sheet.width, 7);
  EXPECT_EQ(sheet.height, 5);
  EXPECT_EQ(sheet.pixels, (Pixels{48, 48, 48, 48, 48, 48, 48,  //
                                  48, 10, 10, 48, 20, 20, 48,  //
                                  48, 48, 48, 48, 48, 48, 48,  //
                                  48, 30, 30, 48, 48, 48, 48,  //
                                  48, 48, 48, 48, 48, 48, 48}));
}

TEST(Grid, EnlargesSmallImagesByAWholeFactor) {
  const std::vector<Image> images(64, Image(8, 8, 1));
  // The width is 8 columns of 8k + 2, plus 2: 530 for k = 8, and less than 512 for k = 7.
  EXPECT_EQ(make_grid(images).width, 8 * (8 * 8 + 2) + 2);
  const std::vector<Image> large(4, Image(300, 300, 3));
  EXPECT_EQ(make_grid(large).width, 2 * 302 + 2);
  EXPECT_EQ(make_grid(std::vector<Image>{Image(1, 1, 1)}).width, 16 + 4);
}

TEST(Grid, RefusesMixedShapesAndNothing) {
  EXPECT_THROW(make_grid({}), std::invalid_argument);
  const std::vector<Image> mixed = {Image(1, 2, 1), Image(2, 1, 1)};
  EXPECT_THROW(make_grid(mixed), std::invalid_argument);
}

}  // namespace
}  // namespace ddpm
