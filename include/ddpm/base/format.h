// Text formatting with std::format's syntax, until every supported compiler has it. Only format.cpp
// knows which library does the work: LibTorch's headers bring a version of {fmt} that does not mix
// with the system's.
#pragma once

#include <array>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "ddpm/base/choice.h"

namespace ddpm {

// One value to be formatted: whole number, floating point, truth value, text (not copied) or the
// name of a choice.
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

// Throws std::runtime_error if the pattern does not fit the arguments, which is a mistake in the
// program.
std::string vformat_text(std::string_view pattern, std::span<const FormatArgument> arguments);

// format_text("{} of {:.1f}", 3, 4.0) is "3 of 4.0".
template <class... Arguments>
std::string format_text(std::string_view pattern, const Arguments&... arguments) {
  const std::array<FormatArgument, sizeof...(Arguments)> list = {FormatArgument(arguments)...};
  return vformat_text(pattern, list);
}

}  // namespace ddpm
