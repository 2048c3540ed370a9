// Puts many small images on one sheet.
#pragma once

#include <span>

#include "ddpm/image/image.h"

namespace ddpm {

inline constexpr std::uint8_t kGridBackground =
    48;  // dark grey: images are often black or white at the edge

struct GridOptions {
  int columns = 0;  // 0: as square as possible
  int padding = 2;  // pixels around and between the images
  int min_width =
      512;  // images are enlarged by a whole factor (pixels repeated) until the sheet is this wide
  int max_scale = 16;  // the largest such factor
};

// Places the images row by row on a dark background. There must be at least one, and all must have
// the same shape (else std::invalid_argument).
Image make_grid(std::span<const Image> images, const GridOptions& options = {});

}  // namespace ddpm
