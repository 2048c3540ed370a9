// Enums whose values have names, for options that take one of a few values.
//
// The names are written once, in an overload of choice_names beside the enum. They have the order
// of the enum's values, which count from 0:
//   enum class Crop { kCenter, kRandom };
//   constexpr auto choice_names(Crop) { return name_list("center", "random"); }
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace ddpm {

template <std::convertible_to<std::string_view>... Names>
constexpr std::array<std::string_view, sizeof...(Names)> name_list(Names... list) {
  return {list...};
}

template <class E>
concept Choice = std::is_enum_v<E> && requires {
  choice_names(E{});
};

// All names, in the order in which they are shown.
template <Choice E>
inline constexpr auto kChoiceNames = choice_names(E{});

// All values, in the same order.
template <Choice E>
inline constexpr auto kChoices = [] {
  std::array<E, kChoiceNames<E>.size()> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<E>(i);
  return values;
}();

template <Choice E>
constexpr std::string_view name_of(E value) {
  return kChoiceNames<E>[static_cast<std::size_t>(value)];
}

// The value with that name; nothing if there is none.
template <Choice E>
constexpr std::optional<E> parse_choice(std::string_view name) {
  for (const E value : kChoices<E>)
    if (name_of(value) == name) return value;
  return std::nullopt;
}

// Throws ConfigError "<option>: unknown '<name>'; choose from a, b, c".
[[noreturn]] void refuse_choice(std::string_view option, std::string_view name,
                                std::span<const std::string_view> known);

// The value named `name` of an option such as "--format". Throws ConfigError for an unknown name.
template <Choice E>
E choose(std::string_view option, std::string_view name) {
  const std::optional<E> value = parse_choice<E>(name);
  if (!value) refuse_choice(option, name, kChoiceNames<E>);
  return *value;
}

}  // namespace ddpm
