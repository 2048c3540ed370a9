// Scales and ticks of plots. Private to image/.
#pragma once

#include <string>
#include <vector>

namespace ddpm {

// Maps values to [0, 1], linearly or by logarithm.
class Axis {
 public:
  // The axis covers at least [low, high], with low <= high. Both are 0 or of a size between 1e-100
  // and 1e100, and positive on a logarithmic axis.
  Axis(double low, double high, bool logarithmic);

  double position(double value) const;

  // About `wanted` round values inside the axis.
  std::vector<double> ticks(int wanted) const;

 private:
  double low_;
  double high_;
  bool logarithmic_;
};

// "0.05", "1e-05", "20k", "1.5M".
std::string tick_label(double value);

}  // namespace ddpm
