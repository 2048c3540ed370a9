#include "ddpm/image/spectrogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "axis.h"
#include "canvas.h"

namespace ddpm {
namespace {

constexpr double kTextScale = 1.5;
constexpr int kLeft = 92, kRight = 16, kTop = 40, kBottom = 48, kMaxWidth = 1600;
constexpr double kRange = 11;  // between the darkest and the brightest colour

// From dark to bright, with brightness that rises evenly and colours that people with colour
// blindness can tell apart (the corners of matplotlib's "inferno").
constexpr std::array<Color, 5> kColors = {
    {{0, 0, 4}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};

std::uint8_t mix(std::uint8_t a, std::uint8_t b, double part) {
  return static_cast<std::uint8_t>(std::lround(a + (b - a) * part));
}

Color color_of(double position) {
  const double place = std::clamp(position, 0.0, 1.0) * (kColors.size() - 1);
  const auto index = std::min(static_cast<std::size_t>(place), kColors.size() - 2);
  const Color &a = kColors[index], &b = kColors[index + 1];
  const double part = place - static_cast<double>(index);
  return {mix(a.red, b.red, part), mix(a.green, b.green, part), mix(a.blue, b.blue, part)};
}

// The values in as many columns as there are pixels: the largest of the frames in each, because a mean
// would hide short sounds.
class Columns {
 public:
  Columns(const SpectrogramPlot& plot, int columns) : plot_(plot), columns_(columns) {}

  double at(std::int64_t band, int column) const {
    const std::int64_t first = column * plot_.frames / columns_;
    const std::int64_t last = std::max(first + 1, (column + 1) * plot_.frames / columns_);
    const auto row = plot_.values.subspan(static_cast<std::size_t>(band * plot_.frames),
                                          static_cast<std::size_t>(plot_.frames));
    return static_cast<double>(*std::max_element(row.begin() + first, row.begin() + last));
  }

 private:
  const SpectrogramPlot& plot_;
  int columns_;
};

}  // namespace

Image draw_spectrogram(const SpectrogramPlot& plot) {
  if (plot.values.empty() ||
      static_cast<std::int64_t>(plot.values.size()) != plot.bands * plot.frames)
    throw std::invalid_argument("a spectrogram must have bands * frames values");
  const int room = kMaxWidth - kLeft - kRight;
  const int scale = static_cast<int>(std::clamp<std::int64_t>(room / plot.frames, 1, 4));
  const int width = static_cast<int>(std::min<std::int64_t>(plot.frames * scale, room));
  const int row = static_cast<int>(std::clamp<std::int64_t>(320 / plot.bands, 1, 8));
  const int height = row * static_cast<int>(plot.bands);
  Canvas canvas(kLeft + width + kRight, kTop + height + kBottom, kWhite);

  const auto [low, high] = std::ranges::minmax(plot.values);
  const double top = static_cast<double>(high);
  const double bottom = std::max(static_cast<double>(low), top - kRange);
  const double span = top > bottom ? top - bottom : 1;
  const Columns columns(plot, width);
  for (int band = 0; band < plot.bands; ++band)
    for (int x = 0; x < width; ++x) {
      const double left = kLeft + x, y = kTop + height - (band + 1) * row;
      canvas.fill({left, y, left + 1, y + row}, color_of((columns.at(band, x) - bottom) / span));
    }

  const auto centered = [&](double x, double y, const std::string& text) {
    canvas.anchored_text({x, y}, text, kTextScale, kInk, Anchor::kMiddle);
  };
  const Axis time(0, plot.seconds, /*logarithmic=*/false);
  for (const double tick : time.ticks(std::max(2, width / 100)))
    centered(kLeft + time.position(tick) * width, kTop + height + 14, tick_label(tick));
  centered(kLeft + width / 2.0, kTop + height + 34, "seconds");
  centered(kLeft + width / 2.0, 20, plot.title);
  for (const BandLabel& label : plot.labels) {
    const double y = kTop + height - (label.band + 0.5) * row;
    canvas.fill({kLeft - 5.0, y, kLeft - 1.0, y + 1}, kInk);
    canvas.anchored_text({kLeft - 8.0, y}, label.text, kTextScale, kInk, Anchor::kRight);
  }
  return canvas.image();
}

}  // namespace ddpm
