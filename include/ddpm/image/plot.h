// Draws line plots, such as the loss curve of every run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

struct PlotSeries {
  std::string name;        // shown in the legend
  std::vector<double> xs;  // ascending, as many as ys
  std::vector<double> ys;  // points beyond 1e100, NaN, or not positive on a log axis are left out
};

struct PlotOptions {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  bool log_y = false;
  int width = 960;  // pixels
  int height = 540;
  // The faint line shows the data, the strong line a centred moving average over this fraction of
  // them.
  double smoothing = 0.03;
};

// Draws the series. Texts must be ASCII. Series without a usable point are left out. If none is
// left, the plot has axes and the text "no data yet".
Image draw_line_plot(const std::vector<PlotSeries>& series, const PlotOptions& options);

// The same as a PNG file, written atomically. Throws IoError.
void write_line_plot(const std::filesystem::path& path, const std::vector<PlotSeries>& series,
                     const PlotOptions& options);

}  // namespace ddpm
