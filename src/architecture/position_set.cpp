#include "ddpm/architecture/position_set.h"

#include <algorithm>

#include "ddpm/base/error.h"

namespace ddpm {
std::int64_t floor_division(std::int64_t value, std::int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

std::int64_t ceil_division(std::int64_t value, std::int64_t divisor) {
  return value / divisor + (value % divisor > 0 ? 1 : 0);
}

PositionSet::PositionSet(Interval interval) {
  if (!interval.empty()) runs_.push_back(interval);
}

PositionSet::PositionSet(std::vector<Interval> intervals) {
  std::erase_if(intervals, [](const Interval& interval) { return interval.empty(); });
  std::ranges::sort(intervals, {}, &Interval::low);
  for (const Interval& interval : intervals) {
    if (!runs_.empty() && interval.low <= runs_.back().high + 1)
      runs_.back().high = std::max(runs_.back().high, interval.high);
    else
      runs_.push_back(interval);
  }
}

Interval PositionSet::hull() const {
  return empty() ? Interval{} : Interval{runs_.front().low, runs_.back().high};
}

std::int64_t PositionSet::count() const {
  std::int64_t sum = 0;
  for (const Interval& run : runs_) sum += run.length();
  return sum;
}

void PositionSet::add(const PositionSet& other) {
  if (other.empty() || other == *this) return;
  std::vector<Interval> all = std::move(runs_);
  all.insert(all.end(), other.runs_.begin(), other.runs_.end());
  *this = PositionSet(std::move(all));
}

void PositionSet::clip(Interval limits) {
  for (Interval& run : runs_)
    run = {std::max(run.low, limits.low), std::min(run.high, limits.high)};
  std::erase_if(runs_, [](const Interval& run) { return run.empty(); });
}

void Work::add(std::int64_t runs) {
  constexpr std::int64_t kMost = 2'000'000;
  done_ += runs;
  if (done_ > kMost)
    throw ConfigError(
        "the receptive field has too many phases, or positions with gaps between them, to be computed "
        "here; use fewer layers, smaller kernels or smaller strides");
}

PositionSet spread(const PositionSet& coarse, const Taps& taps, Work& work) {
  const auto first = [&](std::int64_t position) { return position * taps.stride - taps.padding; };
  const bool taps_touch = taps.dilation == 1 || taps.kernel == 1;
  std::vector<Interval> result;
  for (const Interval& run : coarse.runs()) {
    const Interval all = {first(run.low), first(run.high) + taps.reach()};
    const bool neighbours_touch = run.length() == 1 || taps.kernel >= taps.stride;
    if ((taps_touch && neighbours_touch) || (taps.stride == 1 && run.length() >= taps.dilation)) {
      work.add(1);
      result.push_back(all);
    } else if (taps.stride == 1) {  // a copy of the run for each tap
      work.add(taps.kernel);
      for (std::int64_t j = 0; j < taps.kernel; ++j)
        result.push_back({first(run.low) + j * taps.dilation, first(run.high) + j * taps.dilation});
    } else if (taps_touch) {  // all taps of a position together
      work.add(run.length());
      for (std::int64_t x = run.low; x <= run.high; ++x)
        result.push_back({first(x), first(x) + taps.reach()});
    } else {
      work.add(run.length());  // first, lest the product overflow
      work.add(run.length() * taps.kernel);
      for (std::int64_t x = run.low; x <= run.high; ++x)
        for (std::int64_t j = 0; j < taps.kernel; ++j)
          result.push_back({first(x) + j * taps.dilation, first(x) + j * taps.dilation});
    }
  }
  return PositionSet(std::move(result));
}

PositionSet gather(const PositionSet& fine, const Taps& taps, Work& work) {
  std::vector<Interval> result;
  for (const Interval& run : fine.runs()) {
    const std::int64_t low = run.low + taps.padding, high = run.high + taps.padding;
    // The taps of a position cannot jump over a run that is as long as the distance between two.
    if (run.length() >= taps.dilation || taps.kernel == 1) {
      work.add(1);
      result.push_back(
          {ceil_division(low - taps.reach(), taps.stride), floor_division(high, taps.stride)});
      continue;
    }
    work.add(taps.kernel);
    for (std::int64_t j = 0; j < taps.kernel; ++j)
      result.push_back({ceil_division(low - j * taps.dilation, taps.stride),
                        floor_division(high - j * taps.dilation, taps.stride)});
  }
  return PositionSet(std::move(result));
}

}  // namespace ddpm
