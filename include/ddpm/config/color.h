// Colours as texts of the config: a name, or #rrggbb as on web pages.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ddpm {

struct NamedColor {
  std::string_view name;
  std::array<std::uint8_t, 3> rgb;
};
inline constexpr std::array<NamedColor, 3> kNamedColors = {
    {{"white", {255, 255, 255}}, {"black", {0, 0, 0}}, {"grey", {128, 128, 128}}}};

// A regular expression (ECMAScript) for all such texts, and the same for people.
std::string color_pattern();
std::string color_pattern_text();

// Red, green and blue of a text that the pattern matches.
std::array<std::uint8_t, 3> parse_color(const std::string& text);

}  // namespace ddpm
