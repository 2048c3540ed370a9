#include "ddpm/image/field_plot.h"

#include <algorithm>

#include "axis.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "drawing.h"

namespace ddpm {
namespace {

// Blue, and orange for the group around it: people with colour blindness can tell them apart.
constexpr Color kInner = {0, 114, 178};
constexpr Color kOuter = {230, 159, 0};

constexpr int kWidth = 1000;                 // pixels
constexpr double kTop = 112;                 // of the first row
constexpr double kLeft = 190, kRight = 770;  // of the area between names and notes
constexpr double kTextHeight = 10.5, kTitleHeight = 14;
constexpr std::size_t kMaxRows = 44, kMaxNameBytes = 21, kMaxNoteBytes = 25;

// The rows to draw: all, or so many that are evenly spread.
std::vector<FieldRow> chosen_rows(const FieldPlot& plot) {
  if (plot.rows.size() <= kMaxRows) return plot.rows;
  std::vector<FieldRow> rows;
  for (std::size_t i = 0; i < kMaxRows; ++i)
    rows.push_back(plot.rows[i * (plot.rows.size() - 1) / (kMaxRows - 1)]);
  return rows;
}

class Plotter {
 public:
  explicit Plotter(const FieldPlot& plot)
      : plot_(plot),
        rows_(chosen_rows(plot)),
        row_height_(rows_.size() <= 20 ? 36 : 24),
        bottom_(kTop + row_height_ * static_cast<double>(rows_.size())),
        axis_(left_edge(), right_edge(), false),
        drawing_(kWidth, static_cast<int>(bottom_) + 66) {}

  Drawing draw() {
    titles();
    grid();
    if (!plot_.outer_label.empty()) field(&FieldRow::outer_left, &FieldRow::outer_right, kOuter);
    field(&FieldRow::left, &FieldRow::right, kInner);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      drawing_.text({kLeft - 12, middle_of(i)}, shorten(rows_[i].name, kMaxNameBytes), kTextHeight,
                    kInk, Anchor::kRight);
      drawing_.text({kRight + 14, middle_of(i)}, shorten(rows_[i].note, kMaxNoteBytes), kTextHeight,
                    kInk, Anchor::kLeft);
    }
    return std::move(drawing_);
  }

 private:
  double left_edge() const {
    double edge = 0;
    for (const FieldRow& row : rows_) edge = std::min({edge, row.left, row.outer_left});
    return edge;
  }
  double right_edge() const {
    double edge = 1;
    for (const FieldRow& row : rows_) edge = std::max({edge, row.right, row.outer_right});
    return edge;
  }
  double to_x(double value) const { return kLeft + axis_.position(value) * (kRight - kLeft); }
  double middle_of(std::size_t row) const {
    return kTop + row_height_ * (static_cast<double>(row) + 0.5);
  }

  void titles() {
    drawing_.text({24, 30}, plot_.title, kTitleHeight, kInk, Anchor::kLeft);
    std::string subtitle = plot_.subtitle;
    if (rows_.size() < plot_.rows.size())
      subtitle += format_text("; {} of {} layers are drawn", rows_.size(), plot_.rows.size());
    drawing_.text({24, 56}, subtitle, kTextHeight, kFaintInk, Anchor::kLeft);
    legend(24, kInner, plot_.inner_label);
    if (!plot_.outer_label.empty()) legend(kLeft + 130, kOuter, plot_.outer_label);
  }

  void legend(double x, Color color, const std::string& label) {
    drawing_.fill(Rectangle{x, 77, x + 22, 89}, color, kOpacity);
    drawing_.text({x + 32, 83}, label, kTextHeight, kInk, Anchor::kLeft);
  }

  void grid() {
    for (const double tick : axis_.ticks(9)) {
      const double x = to_x(tick);
      drawing_.fill(Rectangle{x - 0.5, kTop, x + 0.5, bottom_}, kGridColor);
      drawing_.text({x, bottom_ + 16}, tick_label(tick), kTextHeight, kFaintInk, Anchor::kMiddle);
    }
    drawing_.text({(kLeft + kRight) / 2, bottom_ + 44}, plot_.x_label, kTextHeight, kInk,
                  Anchor::kMiddle);
  }

  // A bar for each row, and leaning sides between them.
  void field(double FieldRow::*left, double FieldRow::*right, Color color) {
    const double half_bar = row_height_ * 0.3;
    const auto sides = [&](const FieldRow& row) {
      const double a = to_x(row.*left), b = to_x(row.*right);
      const double missing = std::max(0.0, 2 - (b - a)) / 2;  // a single sample must be visible
      return std::pair(a - missing, b + missing);
    };
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].*left > rows_[i].*right) continue;
      const auto [a, b] = sides(rows_[i]);
      const double top = middle_of(i) - half_bar, bottom = middle_of(i) + half_bar;
      drawing_.fill(Band{top, a, b, bottom, a, b}, color, kOpacity);
      if (i + 1 == rows_.size() || rows_[i + 1].*left > rows_[i + 1].*right) continue;
      const auto [next_a, next_b] = sides(rows_[i + 1]);
      drawing_.fill(Band{bottom, a, b, middle_of(i + 1) - half_bar, next_a, next_b}, color,
                    kOpacity / 2.4);
    }
  }

  static constexpr double kOpacity = 0.85;

  const FieldPlot& plot_;
  std::vector<FieldRow> rows_;
  double row_height_, bottom_;
  Axis axis_;
  Drawing drawing_;
};

}  // namespace

Image draw_field_plot(const FieldPlot& plot) { return Plotter(plot).draw().to_image(); }

std::string field_plot_svg(const FieldPlot& plot) { return Plotter(plot).draw().to_svg(); }

}  // namespace ddpm
