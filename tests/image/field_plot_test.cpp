#include "ddpm/image/field_plot.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace ddpm {
namespace {

using testing::contains;

// A field that widens by one on each side with every row.
FieldPlot widening(int rows) {
  FieldPlot plot{.title = "title",
                 .subtitle = "subtitle",
                 .inner_label = "one",
                 .outer_label = "",
                 .x_label = "pixels",
                 .rows = {}};
  for (int i = 0; i < rows; ++i)
    plot.rows.push_back({.name = "row " + std::to_string(i),
                         .note = std::to_string(2 * i + 1),
                         .left = -1.0 * i,
                         .right = 1.0 + i});
  return plot;
}

// The pixels of a row that are neither white nor grey.
int coloured(const Image& image, int y) {
  int count = 0;
  for (int x = 0; x < image.width; ++x) {
    const std::uint8_t* pixel = image.at(y, x);
    count += pixel[2] > pixel[0] + 40 ? 1 : 0;
  }
  return count;
}

TEST(FieldPlot, RowsAreAsWideAsWhatTheySee) {
  const Image image = draw_field_plot(widening(10));
  EXPECT_EQ(image.width, 1000);
  for (int row = 0; row < 10; ++row)  // 580 pixels for 19 inputs
    EXPECT_NEAR(coloured(image, 112 + 36 * row + 18), (2 * row + 1) * 580.0 / 19, 2) << row;
}

TEST(FieldPlot, RowsThatSeeNothingAreEmpty) {
  FieldPlot plot = widening(3);
  plot.rows[1].left = 0;
  plot.rows[1].right = -1;
  const Image image = draw_field_plot(plot);
  EXPECT_EQ(coloured(image, 112 + 36 + 18), 0);
  EXPECT_GT(coloured(image, 112 + 72 + 18), 0);
}

TEST(FieldPlot, DeepNetworksAreThinnedOut) {
  EXPECT_FALSE(contains(field_plot_svg(widening(44)), "are drawn"));
  const std::string svg = field_plot_svg(widening(1000));
  EXPECT_TRUE(contains(svg, "44 of 1000 layers are drawn"));
  EXPECT_TRUE(contains(svg, ">row 0<") && contains(svg, ">row 999<"));
  EXPECT_LT(draw_field_plot(widening(1000)).height, 1300);
}

TEST(FieldPlot, SvgHasNoMarkupFromNames) {
  FieldPlot plot = widening(1);
  plot.rows[0].name = "<a&b>\xff";
  const std::string svg = field_plot_svg(plot);
  EXPECT_TRUE(contains(svg, ">&lt;a&amp;b&gt;\\xFF<")) << svg;
}

}  // namespace
}  // namespace ddpm
