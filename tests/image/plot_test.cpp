#include "ddpm/image/plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ddpm/image/codec.h"
#include "support/files.h"

namespace ddpm {
namespace {

bool has_color(const Image& image, int top, int bottom, std::uint8_t red, std::uint8_t green,
               std::uint8_t blue) {
  for (int y = top; y < bottom; ++y)
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* pixel = image.at(y, x);
      if (pixel[0] == red && pixel[1] == green && pixel[2] == blue) return true;
    }
  return false;
}

PlotSeries falling_line() {
  PlotSeries series{"", {}, {}};
  for (int i = 0; i <= 100; ++i) {
    series.xs.push_back(i);
    series.ys.push_back(100 - i);
  }
  return series;
}

TEST(LinePlot, DrawsTheCurveFromTopToBottom) {
  const Image plot =
      draw_line_plot({falling_line()}, {.title = "T", .x_label = "x", .y_label = "y"});
  EXPECT_EQ(plot.width, 960);
  EXPECT_EQ(plot.height, 540);
  // Blue (0,114,178) both near the top and near the bottom of the plot area.
  EXPECT_TRUE(has_color(plot, 50, 120, 0, 114, 178));
  EXPECT_TRUE(has_color(plot, 400, 476, 0, 114, 178));
}

TEST(LinePlot, SurvivesAnyNumbers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::vector<PlotSeries>> cases = {{},
                                                      {{"a", {}, {}}},
                                                      {{"a", {1}, {0.5}}},
                                                      {{"a", {1, 2}, {3, 3}}},
                                                      {{"a", {1, 1}, {0, 0}}},
                                                      {{"a", {1, 2, 3}, {nan, infinity, -1}}},
                                                      {{"a", {1, 2, 3}, {1e-300, 1, 1e300}}},
                                                      {{"a", {0, 1e18}, {1e-12, 2e-12}}},
                                                      {{"\xff\x01 long name", {1, 2, 3}, {1, 2}}}};
  for (const auto& series : cases)
    for (const bool log_y : {false, true})
      EXPECT_EQ(draw_line_plot(series, {.title = "\xc3\xa9", .log_y = log_y}).width, 960);
}

TEST(LinePlot, ClipsOutliersFarAway) {
  PlotSeries series = falling_line();
  for (int i = 101; i < 2000; ++i) {
    series.xs.push_back(i);
    series.ys.push_back(i == 1000 ? 1e99 : 1);
  }
  EXPECT_EQ(draw_line_plot({series}, {.smoothing = 0}).height, 540);
}

TEST(LinePlot, WritesAPng) {
  const testing::TemporaryFolder folder;
  write_line_plot(folder / "loss.png", {falling_line()}, {.width = 320, .height = 240});
  EXPECT_EQ(read_image(folder / "loss.png").width, 320);
}

}  // namespace
}  // namespace ddpm
