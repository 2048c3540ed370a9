#include "ddpm/image/resize.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <stdexcept>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb_image_resize.h>
#pragma GCC diagnostic pop

namespace ddpm {
namespace {

// Returns other * part / whole, rounded, at least one pixel and at most `limit`.
int proportional(int other, int part, int whole, int limit) {
  const std::int64_t exact = (std::int64_t{other} * part + whole / 2) / whole;
  return static_cast<int>(std::clamp<std::int64_t>(exact, 1, limit));
}

}  // namespace

Image resize(const Image& image, int height, int width) {
  if (height < 1 || width < 1 || image.pixels.empty())
    throw std::invalid_argument("images must have at least one pixel before and after resizing");
  Image result(height, width, image.channels);
  const int alpha = image.channels == 4 ? 3 : STBIR_ALPHA_CHANNEL_NONE;
  const int done = stbir_resize_uint8_generic(
      image.pixels.data(), image.width, image.height, 0, result.pixels.data(), width, height, 0,
      image.channels, alpha, 0, STBIR_EDGE_CLAMP, STBIR_FILTER_DEFAULT, STBIR_COLORSPACE_LINEAR,
      nullptr);
  if (done != 1) throw std::bad_alloc();
  return result;
}

Image crop(const Image& image, int top, int left, int height, int width) {
  if (top < 0 || left < 0 || height < 1 || width < 1 || height > image.height - top ||
      width > image.width - left)
    throw std::invalid_argument("the window lies outside of the image");
  Image result(height, width, image.channels);
  const auto row_bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(image.channels);
  for (int y = 0; y < height; ++y) std::copy_n(image.at(top + y, left), row_bytes, result.at(y, 0));
  return result;
}

// Crops first, because scaling a whole extreme panorama would need a huge intermediate image.
Image resize_and_center_crop(const Image& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  int window_height = image.height;
  int window_width = image.width;
  if (std::int64_t{image.height} * width > std::int64_t{image.width} * height)
    window_height = proportional(image.width, height, width, image.height);
  else
    window_width = proportional(image.height, width, height, image.width);
  const Image window = crop(image, (image.height - window_height) / 2,
                            (image.width - window_width) / 2, window_height, window_width);
  const bool fits = window_height == height && window_width == width;
  return fits ? window : resize(window, height, width);
}

int side_with_crop_margin(int side) { return (9 * side + 4) / 8; }

}  // namespace ddpm
