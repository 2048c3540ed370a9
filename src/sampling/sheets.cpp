#include "sheets.h"

#include <algorithm>
#include <cmath>

#include "ddpm/image/grid.h"

namespace ddpm {
namespace {

// What is drawn where a row has no more images.
Image nothing_like(const Image& image) {
  Image none(image.height, image.width, image.channels, kGridBackground);
  if (image.channels == 4)
    for (std::size_t i = 3; i < none.pixels.size(); i += 4) none.pixels[i] = 255;
  return none;
}

}  // namespace

Image class_sheet(const std::vector<Image>& images, std::size_t classes) {
  const Image none = nothing_like(images.front());
  const std::size_t columns = (images.size() + classes - 1) / classes;
  std::vector<Image> cells;
  for (std::size_t i = 0; i < std::min(classes, images.size()); ++i)
    for (std::size_t k = 0; k < columns; ++k)
      cells.push_back(i + k * classes < images.size() ? images[i + k * classes] : none);
  return make_grid(cells, {.columns = static_cast<int>(columns)});
}

Image animation_sheet(const std::vector<Image>& noisy, const std::vector<Image>& predicted) {
  const Image none = nothing_like(noisy.front());
  const auto columns =
      static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(noisy.size()))));
  std::vector<Image> cells;
  for (std::size_t row = 0; row < noisy.size(); row += columns)
    for (const std::vector<Image>* half : {&noisy, &predicted})
      for (std::size_t i = row; i < row + columns; ++i)
        cells.push_back(i < half->size() ? (*half)[i] : none);
  return make_grid(cells, {.columns = static_cast<int>(2 * columns)});
}

}  // namespace ddpm
