#include "drawing.h"

#include <algorithm>
#include <cmath>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

void draw(Canvas& canvas, const Band& band, Color color, double opacity) {
  // One row of pixels after the other, each as wide as the band in its middle.
  const auto first = static_cast<int>(std::floor(band.top));
  const auto last = static_cast<int>(std::ceil(band.bottom));
  for (int y = first; y < last; ++y) {
    const double low = std::max<double>(y, band.top), high = std::min<double>(y + 1, band.bottom);
    const double along = ((low + high) / 2 - band.top) / (band.bottom - band.top);
    canvas.fill({std::lerp(band.top_left, band.bottom_left, along), low,
                 std::lerp(band.top_right, band.bottom_right, along), high},
                color, opacity);
  }
}

std::string hex(Color color) {
  return format_text("#{:02x}{:02x}{:02x}", color.red, color.green, color.blue);
}

std::string as_xml(const std::string& text) {
  std::string result;
  for (const char c : printable(text)) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  return result;
}

}  // namespace

void Drawing::fill(const Band& band, Color color, double opacity) {
  if (band.bottom > band.top) parts_.emplace_back(Area{band, color, opacity});
}

void Drawing::fill(const Rectangle& area, Color color, double opacity) {
  fill(Band{area.top, area.left, area.right, area.bottom, area.left, area.right}, color, opacity);
}

void Drawing::text(Point point, const std::string& text, double height, Color color,
                   Anchor anchor) {
  parts_.emplace_back(Label{point, text, height, color, anchor});
}

Image Drawing::to_image() const {
  Canvas canvas(width_, height_, kWhite);
  for (const auto& part : parts_) {
    if (const Area* area = std::get_if<Area>(&part)) {
      draw(canvas, area->band, area->color, area->opacity);
      continue;
    }
    const Label& label = std::get<Label>(part);
    canvas.anchored_text(label.point, label.text, label.height / Canvas::kLetterHeight, label.color,
                         label.anchor);
  }
  return canvas.image();
}

std::string Drawing::to_svg() const {
  std::string svg = format_text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"Helvetica, Arial, sans-serif\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      width_, height_);
  for (const auto& part : parts_) {
    if (const Area* area = std::get_if<Area>(&part)) {
      const Band& b = area->band;
      svg += format_text(
          "<polygon points=\"{:.2f},{:.2f} {:.2f},{:.2f} {:.2f},{:.2f} {:.2f},{:.2f}\" "
          "fill=\"{}\" fill-opacity=\"{:.3g}\"/>\n",
          b.top_left, b.top, b.top_right, b.top, b.bottom_right, b.bottom, b.bottom_left, b.bottom,
          hex(area->color), area->opacity);
      continue;
    }
    // Capital letters are 0.72 of the font's size high in these fonts.
    const Label& label = std::get<Label>(part);
    const char* anchor = label.anchor == Anchor::kLeft     ? "start"
                         : label.anchor == Anchor::kMiddle ? "middle"
                                                           : "end";
    svg += format_text(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:.1f}\" fill=\"{}\" "
        "text-anchor=\"{}\">{}</text>\n",
        label.point.x, label.point.y + label.height / 2, label.height / 0.72, hex(label.color),
        anchor, as_xml(label.text));
  }
  return svg + "</svg>\n";
}

}  // namespace ddpm
