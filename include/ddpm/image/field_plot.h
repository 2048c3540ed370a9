// Draws how the part of the input that an output sees widens through the layers of a network.
#pragma once

#include <string>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

// One layer. Edges are in units of the input; left > right means that nothing is seen.
struct FieldRow {
  std::string name;
  std::string note;                        // how much it is, beside the row
  double left = 0, right = 0;              // what one output sees
  double outer_left = 0, outer_right = 0;  // what a group of neighbours sees
};

struct FieldPlot {
  std::string title;
  std::string subtitle;
  std::string inner_label, outer_label;  // in the legend; without the second, no groups are drawn
  std::string x_label;
  std::vector<FieldRow> rows;  // from the output, drawn at the top, to the input
};

// The picture is 1000 pixels wide. If there are more than 44 rows, only some are drawn, the first
// and the last among them, and the picture says so. Names are cut to fit.
Image draw_field_plot(const FieldPlot& plot);
std::string field_plot_svg(const FieldPlot& plot);

}  // namespace ddpm
