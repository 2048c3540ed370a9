#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ddpm {

// A setting of the levels of a network: one value for all of them, or a list with one value each.
// In JSON it is written as it was given: 2, or [2, 3, 3].
template <class T>
class PerLevel {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): most networks have one value
  PerLevel(T value) : values_{std::move(value)} {}
  // NOLINTNEXTLINE(google-explicit-constructor): and the others a list
  PerLevel(std::vector<T> values) : values_(std::move(values)) {}

  bool is_list() const { return values_.size() != 1; }
  const std::vector<T>& values() const { return values_; }

  // The value of a level, counted from the full resolution. Throws std::out_of_range beyond a
  // list's end.
  const T& at(std::int64_t level) const {
    return is_list() ? values_.at(static_cast<std::size_t>(level)) : values_.front();
  }

  bool operator==(const PerLevel&) const = default;

 private:
  std::vector<T> values_;
};

}  // namespace ddpm
