#include "ddpm/image/image.h"

#include <stdexcept>
#include <string>

namespace ddpm {
namespace {

// A colour value over paper: alpha 255 hides the paper, alpha 0 shows only the paper.
std::uint8_t over(std::uint8_t paper, std::uint8_t value, std::uint8_t alpha) {
  return static_cast<std::uint8_t>((value * alpha + paper * (255 - alpha) + 127) / 255);
}

std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((299 * red + 587 * green + 114 * blue + 500) / 1000);
}

// Converts one pixel to RGBA; without alpha it becomes opaque.
void to_rgba(const std::uint8_t* from, int channels, std::uint8_t (&rgba)[4]) {
  rgba[0] = from[0];
  rgba[1] = channels == 1 ? from[0] : from[1];
  rgba[2] = channels == 1 ? from[0] : from[2];
  rgba[3] = channels == 4 ? from[3] : 255;
}

void from_rgba(const std::uint8_t (&rgba)[4], int channels, Rgb background, std::uint8_t* to) {
  if (channels == 4) {
    for (int c = 0; c < 4; ++c) to[c] = rgba[c];
    return;
  }
  const std::uint8_t rgb[3] = {over(background.red, rgba[0], rgba[3]),
                               over(background.green, rgba[1], rgba[3]),
                               over(background.blue, rgba[2], rgba[3])};
  if (channels == 1) {
    to[0] = luma(rgb[0], rgb[1], rgb[2]);
  } else {
    for (int c = 0; c < 3; ++c) to[c] = rgb[c];
  }
}

}  // namespace

Image convert_channels(const Image& image, int channels, Rgb background) {
  if (!is_channel_count(channels) || !is_channel_count(image.channels))
    throw std::invalid_argument("images have 1, 3 or 4 channels, not " + std::to_string(channels));
  if (channels == image.channels) return image;
  Image result(image.height, image.width, channels);
  std::uint8_t rgba[4];
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      to_rgba(image.at(y, x), image.channels, rgba);
      from_rgba(rgba, channels, background, result.at(y, x));
    }
  }
  return result;
}

}  // namespace ddpm
