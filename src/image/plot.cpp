#include "ddpm/image/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "axis.h"
#include "canvas.h"
#include "ddpm/image/codec.h"

namespace ddpm {
namespace {

// People with colour blindness can tell these apart: blue, vermillion, green, purple (Okabe and
// Ito).
constexpr std::array<Color, 4> kSeriesColors = {
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {170, 85, 150}}};

constexpr double kTextScale = 1.5;  // numbers and labels, in pixels per font unit
constexpr double kTitleScale = 2.0;

// The usable points of one series and their moving average.
struct Curve {
  std::string name;
  Color color;
  std::vector<double> xs;
  std::vector<double> ys;
  std::vector<double> smooth;
};

// The mean over `radius` points on both sides. Near an end, where one side has fewer points, the
// other side uses no more than that; otherwise the ends of a falling curve would be pulled down or
// up. At the calm right end a minimum number keeps noise out.
std::vector<double> moving_average(const std::vector<double>& values, std::size_t radius) {
  std::vector<double> sums(values.size() + 1, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) sums[i + 1] = sums[i] + values[i];
  std::vector<double> means(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t after = std::min({radius, i, values.size() - 1 - i});
    const std::size_t minimum = i > values.size() / 2 ? radius / 2 : 0;
    const std::size_t before = std::min(i, std::max(after, minimum));
    means[i] = (sums[i + after + 1] - sums[i - before]) / static_cast<double>(before + after + 1);
  }
  return means;
}

// Numbers beyond these sizes would overflow in the arithmetic of axes.
constexpr double kSmallest = 1e-100;
constexpr double kLargest = 1e100;

bool is_drawable(double value) { return std::abs(value) <= kLargest; }  // false for NaN

std::vector<Curve> usable_curves(const std::vector<PlotSeries>& series,
                                 const PlotOptions& options) {
  std::vector<Curve> curves;
  for (const PlotSeries& one : series) {
    Curve curve;
    curve.name = one.name;
    curve.color = kSeriesColors[curves.size() % kSeriesColors.size()];
    for (std::size_t i = 0; i < std::min(one.xs.size(), one.ys.size()); ++i) {
      if (!is_drawable(one.xs[i]) || !is_drawable(one.ys[i])) continue;
      if (options.log_y && one.ys[i] < kSmallest) continue;
      curve.xs.push_back(one.xs[i]);
      curve.ys.push_back(one.ys[i]);
    }
    if (curve.ys.empty()) continue;
    const double window = options.smoothing * static_cast<double>(curve.ys.size());
    curve.smooth = moving_average(curve.ys, static_cast<std::size_t>(std::max(window / 2, 0.0)));
    curves.push_back(std::move(curve));
  }
  return curves;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Range range_of_xs(const std::vector<Curve>& curves) {
  Range range;
  for (const Curve& curve : curves)
    for (const double x : curve.xs) range.include(x);
  return curves.empty() ? Range{0, 1} : range;
}

// The range holds every average and all points but the most extreme percent, which would flatten
// the rest.
Range range_of_ys(const std::vector<Curve>& curves, bool log_y) {
  if (curves.empty()) return log_y ? Range{0.1, 1} : Range{0, 1};
  Range range;
  for (const Curve& curve : curves) {
    for (const double y : curve.smooth) range.include(y);
    std::vector<double> sorted = curve.ys;
    std::sort(sorted.begin(), sorted.end());
    range.include(sorted[sorted.size() / 200]);
    range.include(sorted[sorted.size() - 1 - sorted.size() / 200]);
  }
  const double room =
      log_y ? std::pow(range.high / range.low, 0.04) : (range.high - range.low) * 0.04;
  return log_y ? Range{range.low / room, range.high * room}
               : Range{range.low - room, range.high + room};
}

class LinePlot {
 public:
  LinePlot(std::vector<Curve> curves, const PlotOptions& options)
      : options_(options),
        curves_(std::move(curves)),
        canvas_(options.width, options.height, kWhite),
        area_{84, options.title.empty() ? 24.0 : 48.0, options.width - 28.0, options.height - 64.0},
        x_axis_(range_of_xs(curves_).low, range_of_xs(curves_).high, false),
        y_axis_(range_of_ys(curves_, options.log_y).low, range_of_ys(curves_, options.log_y).high,
                options.log_y) {}

  Image draw() {
    draw_x_ticks();
    draw_y_ticks();
    for (const Curve& curve : curves_)
      canvas_.line(to_points(curve, curve.ys), 1.0, curve.color, 0.28, area_);
    for (const Curve& curve : curves_)
      canvas_.line(to_points(curve, curve.smooth), 2.4, curve.color, 1.0, area_);
    draw_frame();
    draw_titles();
    draw_legend();
    return canvas_.image();
  }

 private:
  double to_x(double value) const {
    return area_.left + x_axis_.position(value) * (area_.right - area_.left);
  }
  double to_y(double value) const {
    return area_.bottom - y_axis_.position(value) * (area_.bottom - area_.top);
  }

  std::vector<Point> to_points(const Curve& curve, const std::vector<double>& ys) const {
    std::vector<Point> points;
    // An outlier may lie farther away than an int can count, so it is drawn just beyond the edge.
    const auto nearby = [this](double y) {
      return std::clamp(y, -1.0 * options_.height, 2.0 * options_.height);
    };
    for (std::size_t i = 0; i < ys.size(); ++i)
      points.push_back({to_x(curve.xs[i]), nearby(to_y(ys[i]))});
    return points;
  }

  void centered_text(Point center, const std::string& text, double scale, Color color) {
    canvas_.anchored_text(center, text, scale, color, Anchor::kMiddle);
  }

  void draw_x_ticks() {
    for (const double tick : x_axis_.ticks(8)) {
      const double x = std::round(to_x(tick));
      canvas_.fill({x, area_.top, x + 1, area_.bottom}, kGridColor);
      centered_text({x, area_.bottom + 16}, tick_label(tick), kTextScale, kFaintInk);
    }
  }

  void draw_y_ticks() {
    for (const double tick : y_axis_.ticks(7)) {
      const double y = std::round(to_y(tick));
      canvas_.fill({area_.left, y, area_.right, y + 1}, kGridColor);
      canvas_.anchored_text({area_.left - 8, y}, tick_label(tick), kTextScale, kFaintInk,
                            Anchor::kRight);
    }
  }

  void draw_frame() {
    canvas_.fill({area_.left, area_.bottom, area_.right, area_.bottom + 1}, kFaintInk);
    canvas_.fill({area_.left, area_.top, area_.left + 1, area_.bottom}, kFaintInk);
    if (curves_.empty())
      centered_text({(area_.left + area_.right) / 2, (area_.top + area_.bottom) / 2}, "no data yet",
                    kTitleScale, kFaintInk);
  }

  void draw_titles() {
    const double middle_x = (area_.left + area_.right) / 2;
    centered_text({middle_x, 24}, options_.title, kTitleScale, kInk);
    centered_text({middle_x, options_.height - 20.0}, options_.x_label, kTextScale, kInk);
    const double width = Canvas::text_width(options_.y_label, kTextScale);
    canvas_.text({14, std::round((area_.top + area_.bottom + width) / 2)}, options_.y_label,
                 kTextScale, kInk, /*vertical=*/true);
  }

  // The legend is at the top right, because a falling curve leaves that corner free.
  void draw_legend() {
    double y = area_.top + 16;
    for (const Curve& curve : curves_) {
      if (curve.name.empty()) continue;
      const double left = std::round(area_.right - 16 - Canvas::text_width(curve.name, kTextScale));
      canvas_.fill({left - 34, y + 4, left - 8, y + 7}, curve.color);
      canvas_.text({left, y}, curve.name, kTextScale, kInk);
      y += 20;
    }
  }

  const PlotOptions& options_;
  std::vector<Curve> curves_;
  Canvas canvas_;
  Rectangle area_;  // the area between the axes
  Axis x_axis_;
  Axis y_axis_;
};

}  // namespace

Image draw_line_plot(const std::vector<PlotSeries>& series, const PlotOptions& options) {
  return LinePlot(usable_curves(series, options), options).draw();
}

void write_line_plot(const std::filesystem::path& path, const std::vector<PlotSeries>& series,
                     const PlotOptions& options) {
  write_png(path, draw_line_plot(series, options));
}

}  // namespace ddpm
