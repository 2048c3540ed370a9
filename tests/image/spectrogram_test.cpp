#include "ddpm/image/spectrogram.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace ddpm {
namespace {

int brightness(const Image& image, int y, int x) {
  const std::uint8_t* pixel = image.at(y, x);
  return pixel[0] + pixel[1] + pixel[2];
}

// The middle of the rectangle in which the values are drawn, as fractions from the left and from below.
struct Place {
  double x, y;
};
int brightness_at(const Image& image, const Place& place) {
  constexpr int kLeft = 92, kRight = 16, kTop = 40, kBottom = 48;
  const int width = image.width - kLeft - kRight, height = image.height - kTop - kBottom;
  return brightness(image, kTop + height - 1 - static_cast<int>(place.y * height),
                    kLeft + static_cast<int>(place.x * width));
}

TEST(Spectrogram, IsBrightWhereValuesAreLarge) {
  std::vector<float> values(20 * 100, -5);
  for (std::size_t frame = 50; frame < 100; ++frame) values[5 * 100 + frame] = 1;
  const Image image =
      draw_spectrogram({.bands = 20, .frames = 100, .values = values, .seconds = 2});
  EXPECT_EQ(image.channels, 3);
  const double band = 5.5 / 20;
  EXPECT_GT(brightness_at(image, {0.75, band}), 600);
  EXPECT_LT(brightness_at(image, {0.25, band}), 10);
  EXPECT_LT(brightness_at(image, {0.75, 0.5}), 10);
}

// A single loud frame of many is not lost between the pixels.
TEST(Spectrogram, OfLongSoundShowsShortOnes) {
  constexpr std::size_t kFrames = 50000;
  std::vector<float> values(kFrames, 0);
  values[kFrames / 2] = 5;
  const Image image =
      draw_spectrogram({.bands = 1, .frames = kFrames, .values = values, .seconds = 600});
  EXPECT_LE(image.width, 1600);
  EXPECT_GT(brightness_at(image, {0.5, 0.5}), 600);
}

TEST(Spectrogram, OfEqualValuesIsDrawn) {
  const std::vector<float> values(6, 3.0F);
  EXPECT_NO_THROW(draw_spectrogram({.bands = 2, .frames = 3, .values = values, .seconds = 1}));
}

TEST(Spectrogram, RefusesOtherNumbersOfValues) {
  const std::vector<float> values(6);
  EXPECT_THROW(draw_spectrogram({.bands = 2, .frames = 4, .values = values}),
               std::invalid_argument);
  EXPECT_THROW(draw_spectrogram({}), std::invalid_argument);
}

}  // namespace
}  // namespace ddpm
