// What the rows of the field table are written with. Private to this folder.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ddpm/config/fields.h"

namespace ddpm::rows {

inline FieldLimits any() { return {}; }
inline FieldLimits at_least(double minimum) { return {.minimum = minimum}; }
inline FieldLimits between(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum};
}
// (minimum, maximum]
inline FieldLimits above(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .above_minimum = true};
}
// [minimum, maximum)
inline FieldLimits below(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .below_maximum = true};
}
// (minimum, maximum)
inline FieldLimits inside(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .above_minimum = true, .below_maximum = true};
}
inline FieldLimits one_of(const std::vector<std::string_view>& choices) {
  return {.choices = {choices.begin(), choices.end()}};
}
// Every value of the enum.
template <Choice E>
FieldLimits any_of(E) {
  return one_of({kChoiceNames<E>.begin(), kChoiceNames<E>.end()});
}
template <Choice E>
FieldLimits any_of(const PerLevel<E>&) {
  return any_of(E{});
}
inline FieldLimits matching(std::string pattern, std::string in_words) {
  return {.pattern = std::move(pattern), .pattern_text = std::move(in_words)};
}

// Makes path and accessor from one spelling, so that a key is always the name of its C++ member.
// NOLINTNEXTLINE(bugprone-macro-parentheses): member names cannot be put in parentheses
#define FIELD(section, name) \
#section "." #name, [](Config & config) -> FieldMember { return &config.section.name; }
// The same for an enum; its values are the limits.
#define CHOICE(section, name) FIELD(section, name), any_of(Config{}.section.name)

inline constexpr OnResume kFrozen = OnResume::kFrozen;
inline constexpr OnResume kKept = OnResume::kKept;
inline constexpr OnResume kMayChange = OnResume::kMayChange;

// The position of a random number has 40 bits each for step and sample (base/random.h).
inline constexpr double kMaxSteps = 1e12;
inline constexpr double kMaxImages = 1e9;
inline constexpr double kMaxTimesteps = 1e6;

std::vector<Field> model_fields();

}  // namespace ddpm::rows
