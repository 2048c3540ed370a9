#include "canvas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"
#pragma GCC diagnostic ignored "-Wcast-align"
#include <stb_easy_font.h>
#pragma GCC diagnostic pop

namespace ddpm {
namespace {

// The length of the part of pixel [i, i+1) that lies in [low, high).
double overlap(int i, double low, double high) {
  return std::clamp(std::min(high, i + 1.0) - std::max(low, static_cast<double>(i)), 0.0, 1.0);
}

double distance_to_segment(Point p, Point a, Point b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double length2 = dx * dx + dy * dy;
  const double along =
      length2 > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length2, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - along * dx, p.y - a.y - along * dy);
}

// The font has the 95 printable ASCII characters and reads out of bounds for all others.
std::string printable(std::string text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text;
}

// The part of each pixel in the clip area that a line covers.
struct Coverage {
  int left, top, width, height;
  std::vector<float> values;

  explicit Coverage(const Rectangle& area)
      : left(static_cast<int>(area.left)),
        top(static_cast<int>(area.top)),
        width(static_cast<int>(area.right) - left),
        height(static_cast<int>(area.bottom) - top),
        values(static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {}

  float& at(int x, int y) {
    return values[static_cast<std::size_t>(y - top) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(x - left)];
  }

  void add_segment(Point a, Point b, double half_width) {
    const double reach = half_width + 1;
    const int x0 = std::max(left, static_cast<int>(std::floor(std::min(a.x, b.x) - reach)));
    const int x1 =
        std::min(left + width - 1, static_cast<int>(std::ceil(std::max(a.x, b.x) + reach)));
    const int y0 = std::max(top, static_cast<int>(std::floor(std::min(a.y, b.y) - reach)));
    const int y1 =
        std::min(top + height - 1, static_cast<int>(std::ceil(std::max(a.y, b.y) + reach)));
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        const double distance = distance_to_segment({x + 0.5, y + 0.5}, a, b);
        const auto covered = static_cast<float>(std::clamp(half_width + 0.5 - distance, 0.0, 1.0));
        at(x, y) = std::max(at(x, y), covered);
      }
    }
  }
};

}  // namespace

Canvas::Canvas(int width, int height, Color background) : image_(height, width, 3) {
  fill({0, 0, static_cast<double>(width), static_cast<double>(height)}, background);
}

void Canvas::blend(int x, int y, Color color, double opacity) {
  std::uint8_t* pixel = image_.at(y, x);
  const std::array<std::uint8_t, 3> target = {color.red, color.green, color.blue};
  for (std::size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<std::uint8_t>(std::lround(pixel[c] + (target[c] - pixel[c]) * opacity));
}

void Canvas::fill(const Rectangle& area, Color color, double opacity) {
  const int x0 = std::max(0, static_cast<int>(std::floor(area.left)));
  const int x1 = std::min(image_.width, static_cast<int>(std::ceil(area.right)));
  const int y0 = std::max(0, static_cast<int>(std::floor(area.top)));
  const int y1 = std::min(image_.height, static_cast<int>(std::ceil(area.bottom)));
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x)
      blend(x, y, color,
            opacity * overlap(x, area.left, area.right) * overlap(y, area.top, area.bottom));
}

void Canvas::line(const std::vector<Point>& points, double width, Color color, double opacity,
                  const Rectangle& clip) {
  Coverage coverage(clip);
  for (std::size_t i = 0; i < points.size(); ++i)
    coverage.add_segment(points[i], points[std::min(i + 1, points.size() - 1)], width / 2);
  for (int y = coverage.top; y < coverage.top + coverage.height; ++y)
    for (int x = coverage.left; x < coverage.left + coverage.width; ++x)
      blend(x, y, color, opacity * static_cast<double>(coverage.at(x, y)));
}

void Canvas::text(Point origin, const std::string& text, double scale, Color color, bool vertical) {
  std::string letters = printable(text);
  constexpr std::size_t kVertexBytes = 16;      // x, y, z, color; four of them make a rectangle
  constexpr std::size_t kBytesPerLetter = 270;  // a little more than stb_easy_font's manual says
  std::vector<char> vertices(64 + kBytesPerLetter * 2 * letters.size());
  const int count = stb_easy_font_print(0, 0, letters.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size()));
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    std::array<float, 2> low{};  // first and third vertex: opposite corners
    std::array<float, 2> high{};
    std::memcpy(low.data(), &vertices[4 * i * kVertexBytes], sizeof low);
    std::memcpy(high.data(), &vertices[(4 * i + 2) * kVertexBytes], sizeof high);
    const auto scaled = [scale](float value) { return static_cast<double>(value) * scale; };
    const Rectangle box = {scaled(low[0]), scaled(low[1]), scaled(high[0]), scaled(high[1])};
    if (vertical)
      fill({origin.x + box.top, origin.y - box.right, origin.x + box.bottom, origin.y - box.left},
           color);
    else
      fill({origin.x + box.left, origin.y + box.top, origin.x + box.right, origin.y + box.bottom},
           color);
  }
}

double Canvas::text_width(const std::string& text, double scale) {
  std::string letters = printable(text);
  return stb_easy_font_width(letters.data()) * scale;
}

void Canvas::anchored_text(Point point, const std::string& text, double scale, Color color,
                           Anchor anchor) {
  const double width = text_width(text, scale);
  const double shift = anchor == Anchor::kLeft ? 0 : anchor == Anchor::kMiddle ? width / 2 : width;
  this->text({std::round(point.x - shift), std::round(point.y - kLetterHeight * scale / 2)}, text,
             scale, color);
}

}  // namespace ddpm
