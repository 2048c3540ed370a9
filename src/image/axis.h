// Scales and ticks of plots. Private to image/.
#pragma once

#include <string>
#include <vector>

namespace ddpm {

// Maps values to [0, 1], linearly or by logarithm.
class Axis {
 public:
  // Covers at least [low, high], with low <= high, both of a size within 1e-100 and 1e100 (or 0),
  // and positive on a logarithmic axis.
  Axis(double low, double high, bool logarithmic);

  double position(double value) const;

  // Round values inside the axis, about `wanted` of them.
  std::vector<double> ticks(int wanted) const;

 private:
  double low_;
  double high_;
  bool logarithmic_;
};

// "0.05", "1e-05", "20k", "1.5M".
std::string tick_label(double value);

}  // namespace ddpm
