#include "ddpm/image/grid.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ddpm {
namespace {

// Copies `image` to `sheet` with every pixel repeated `scale` times in both directions.
void paste(const Image& image, int scale, Image& sheet, int top, int left) {
  for (int y = 0; y < image.height * scale; ++y) {
    std::uint8_t* to = sheet.at(top + y, left);
    for (int x = 0; x < image.width * scale; ++x, to += image.channels)
      std::copy_n(image.at(y / scale, x / scale), image.channels, to);
  }
}

int smallest_scale(int image_width, int columns, const GridOptions& options) {
  int scale = 1;
  while (scale < options.max_scale &&
         columns * (image_width * scale + options.padding) + options.padding < options.min_width)
    ++scale;
  return scale;
}

}  // namespace

Image make_grid(std::span<const Image> images, const GridOptions& options) {
  if (images.empty()) throw std::invalid_argument("a grid needs at least one image");
  const Image& first = images.front();
  for (const Image& image : images)
    if (image.height != first.height || image.width != first.width ||
        image.channels != first.channels)
      throw std::invalid_argument("images of a grid must have the same shape");
  const int count = static_cast<int>(images.size());
  const int columns =
      options.columns > 0 ? options.columns : static_cast<int>(std::ceil(std::sqrt(count)));
  const int rows = (count + columns - 1) / columns;
  const int scale = smallest_scale(first.width, columns, options);
  const int cell_height = first.height * scale + options.padding;
  const int cell_width = first.width * scale + options.padding;
  Image sheet(rows * cell_height + options.padding, columns * cell_width + options.padding,
              first.channels, kGridBackground);
  if (first.channels == 4)
    for (std::size_t i = 3; i < sheet.pixels.size(); i += 4) sheet.pixels[i] = 255;
  for (int i = 0; i < count; ++i)
    paste(images[static_cast<std::size_t>(i)], scale, sheet,
          options.padding + i / columns * cell_height, options.padding + i % columns * cell_width);
  return sheet;
}

}  // namespace ddpm
