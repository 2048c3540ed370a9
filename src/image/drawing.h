// A drawing of bands, rectangles and texts that can become an image or SVG. Private to image/.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "canvas.h"
#include "ddpm/image/image.h"

namespace ddpm {

// An area between two horizontal edges, whose sides may lean.
struct Band {
  double top = 0, top_left = 0, top_right = 0;
  double bottom = 0, bottom_left = 0, bottom_right = 0;
};

class Drawing {
 public:
  // In pixels. The background is white.
  Drawing(int width, int height) : width_(width), height_(height) {}

  void fill(const Band& band, Color color, double opacity = 1);
  void fill(const Rectangle& area, Color color, double opacity = 1);
  // `height` is that of capital letters, in pixels.
  void text(Point point, const std::string& text, double height, Color color, Anchor anchor);

  // In the image, characters that are not ASCII appear as '?'.
  Image to_image() const;
  std::string to_svg() const;

 private:
  struct Area {
    Band band;
    Color color;
    double opacity;
  };
  struct Label {
    Point point;
    std::string text;
    double height;
    Color color;
    Anchor anchor;
  };

  int width_, height_;
  std::vector<std::variant<Area, Label>> parts_;  // later ones lie above
};

}  // namespace ddpm
