#include "axis.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "ddpm/base/format.h"

namespace ddpm {
namespace {

// Multiples of 1, 2 or 5 times a power of ten.
std::vector<double> linear_ticks(double low, double high, int wanted) {
  const double rough = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (step >= rough) break;
  }
  std::vector<double> ticks;
  // The small slack keeps a tick at the end of the axis in spite of rounding.
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k)
    ticks.push_back(k * step);
  return ticks;
}

// The ticks are these multiples of powers of ten: of every power or, over many decades, of every
// second, third, ...
std::vector<double> decade_ticks(double low, double high, std::initializer_list<double> factors) {
  const int stride = static_cast<int>(std::ceil(std::log10(high / low) / 10));
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= std::log10(high);
       power += stride)
    for (const double factor : factors)
      if (const double tick = factor * std::pow(10.0, power); tick >= low && tick <= high)
        ticks.push_back(tick);
  return ticks;
}

}  // namespace

Axis::Axis(double low, double high, bool logarithmic)
    : low_(low), high_(high), logarithmic_(logarithmic) {
  // A single value gets room on both sides, and so do values that lie too close for ticks.
  if (high_ - low_ > 1e-9 * std::max(std::abs(low_), std::abs(high_))) return;
  const double room = low_ != 0 ? std::abs(low_) / 10 : 1.0;
  low_ -= room;
  high_ += room;
}

double Axis::position(double value) const {
  if (logarithmic_) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

std::vector<double> Axis::ticks(int wanted) const {
  if (!logarithmic_) return linear_ticks(low_, high_, wanted);
  std::vector<double> ticks;
  for (const auto factors :
       {std::initializer_list<double>{1.0}, {1.0, 2.0, 5.0}, {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0}}) {
    ticks = decade_ticks(low_, high_, factors);
    if (static_cast<int>(ticks.size()) >= wanted / 2) return ticks;
  }
  return linear_ticks(low_, high_, wanted);
}

std::string tick_label(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return format_text("{:.3g}", value);
  if (size >= 1e6) return format_text("{:g}M", value / 1e6);
  if (size >= 1e3) return format_text("{:g}k", value / 1e3);
  // Multiples of a step are not exact: 3 * 0.1 is not 0.3, and 0 may come out as 1e-17.
  return size < 1e-12 ? "0" : format_text("{:.5g}", value);
}

}  // namespace ddpm
