// A small drawing surface for plots: filled rectangles, antialiased lines, text. Private to image/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
};

// A position in pixels; y grows downwards. Pixel (x, y) covers [x, x+1) x [y, y+1).
struct Point {
  double x = 0;
  double y = 0;
};

struct Rectangle {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

// What all plots have in common.
inline constexpr Color kWhite = {255, 255, 255};
inline constexpr Color kInk = {40, 44, 52};
inline constexpr Color kFaintInk = {110, 116, 128};
inline constexpr Color kGridColor = {228, 230, 235};

// Where a text lies from its point.
enum class Anchor { kLeft, kMiddle, kRight };

class Canvas {
 public:
  Canvas(int width, int height, Color background);

  // Edges between pixels are antialiased.
  void fill(const Rectangle& area, Color color, double opacity = 1.0);

  // Draws a line through the points, `width` pixels wide, cut off at `clip`. It is not darker where
  // it crosses itself.
  void line(const std::vector<Point>& points, double width, Color color, double opacity,
            const Rectangle& clip);

  // Draws ASCII text whose box begins at `origin`; vertical text runs upwards from there. `scale`
  // is pixels per font unit (capital letters are kLetterHeight units high). Other characters appear as '?'.
  void text(Point origin, const std::string& text, double scale, Color color,
            bool vertical = false);
  static double text_width(const std::string& text, double scale);
  static constexpr double kLetterHeight = 7;

  // Draws a line of text beside the point: to the right of it for kLeft, on it, or to the left of it. Its
  // middle has the point's height. The text begins at a whole pixel.
  void anchored_text(Point point, const std::string& text, double scale, Color color,
                     Anchor anchor);

  const Image& image() const { return image_; }

 private:
  void blend(int x, int y, Color color, double opacity);

  Image image_;
};

}  // namespace ddpm
