// Formats text with std::format's syntax, until every supported compiler has std::format. Only
// format.cpp includes {fmt}: LibTorch's headers bring another version of it, and the two cannot be
// included in one file.
#pragma once

#include <array>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "ddpm/base/choice.h"

namespace ddpm {

// One value to be formatted: an integer, a floating-point number, a bool, a text (which is not
// copied) or a choice, shown by its name.
class FormatArgument {
 public:
  explicit FormatArgument(bool value) : value_(value) {}
  explicit FormatArgument(std::signed_integral auto value)
      : value_(static_cast<long long>(value)) {}
  explicit FormatArgument(std::unsigned_integral auto value)
      : value_(static_cast<unsigned long long>(value)) {}
  explicit FormatArgument(double value) : value_(value) {}
  explicit FormatArgument(std::string_view value) : value_(value) {}
  explicit FormatArgument(const std::string& value) : value_(std::string_view(value)) {}
  explicit FormatArgument(const char* value) : value_(std::string_view(value)) {}
  explicit FormatArgument(Choice auto value) : value_(name_of(value)) {}

  const auto& value() const { return value_; }

 private:
  std::variant<bool, long long, unsigned long long, double, std::string_view> value_;
};

// Throws std::runtime_error if the pattern does not fit the arguments, which is a bug in the
// program.
std::string vformat_text(std::string_view pattern, std::span<const FormatArgument> arguments);

// format_text("{} of {:.1f}", 3, 4.0) is "3 of 4.0".
template <class... Arguments>
std::string format_text(std::string_view pattern, const Arguments&... arguments) {
  const std::array<FormatArgument, sizeof...(Arguments)> list = {FormatArgument(arguments)...};
  return vformat_text(pattern, list);
}

}  // namespace ddpm
