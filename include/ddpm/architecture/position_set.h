// Sets of positions on one axis of a network (samples, frames or pixels), and how the taps of a
// layer carry them from one grid to another. All arithmetic is exact and on whole numbers.
#pragma once

#include <cstdint>
#include <vector>

namespace ddpm {

// The positions low..high; none if low > high.
struct Interval {
  std::int64_t low = 0;
  std::int64_t high = -1;

  bool empty() const { return low > high; }
  std::int64_t length() const { return empty() ? 0 : high - low + 1; }
  bool operator==(const Interval&) const = default;
};

// Division rounded down and up. C++'s own division rounds towards zero, which is wrong for negative
// positions. `divisor` is positive.
std::int64_t floor_division(std::int64_t value, std::int64_t divisor);
std::int64_t ceil_division(std::int64_t value, std::int64_t divisor);

// Position x of a coarse grid is connected to the positions x * stride - padding + dilation * j of
// a fine grid, j = 0..kernel-1. A convolution reads the fine grid and writes the coarse one; a
// transposed convolution does the reverse.
struct Taps {
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;  // on the left; that on the right changes lengths only
  std::int64_t dilation = 1;

  // How far the last tap lies from the first.
  std::int64_t reach() const { return dilation * (kernel - 1); }
};

// Limits that keep every product here below 2^63.
inline constexpr std::int64_t kMaxTap = std::int64_t{1} << 20;       // each member of Taps
inline constexpr std::int64_t kMaxPosition = std::int64_t{1} << 41;  // of either sign

// A set of positions, kept as runs of neighbours. In most networks every set is one run, and then
// this is interval arithmetic; where a layer leaves positions out, it is still exact.
class PositionSet {
 public:
  PositionSet() = default;  // empty
  explicit PositionSet(Interval interval);
  // The union of the intervals, which may be empty, overlap and be in any order.
  explicit PositionSet(std::vector<Interval> intervals);

  bool empty() const { return runs_.empty(); }
  Interval hull() const;  // from the first to the last position
  std::int64_t count() const;
  bool has_holes() const { return runs_.size() > 1; }
  // Ascending, with at least one position missing between each two.
  const std::vector<Interval>& runs() const { return runs_; }

  void clear() { runs_.clear(); }
  void add(const PositionSet& other);
  void clip(Interval limits);

  bool operator==(const PositionSet&) const = default;

 private:
  std::vector<Interval> runs_;
};

// Counts the runs of positions that a computation makes, so that it ends in good time.
class Work {
 public:
  // Throws ConfigError after two million runs: twenty times what HiFi-GAN needs, and done in about
  // a tenth of a second.
  void add(std::int64_t runs);

 private:
  std::int64_t done_ = 0;
};

// The fine positions that are connected to at least one of the coarse ones, and the reverse. The
// positions and taps must be within the limits above. Throws ConfigError if it is too much work.
PositionSet spread(const PositionSet& coarse, const Taps& taps, Work& work);
PositionSet gather(const PositionSet& fine, const Taps& taps, Work& work);

}  // namespace ddpm
