#include "ddpm/config/color.h"

#include <vector>

#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// The names, and after them what stands for all other colours.
std::vector<std::string> names_and(const std::string& others) {
  std::vector<std::string> names;
  for (const NamedColor& color : kNamedColors) names.emplace_back(color.name);
  names.push_back(others);
  return names;
}

}  // namespace

std::string color_pattern() { return "^(" + join(names_and("#[0-9A-Fa-f]{6}"), "|") + ")$"; }

std::string color_pattern_text() { return join(names_and("#rrggbb"), " | "); }

std::array<std::uint8_t, 3> parse_color(const std::string& text) {
  for (const NamedColor& color : kNamedColors)
    if (color.name == text) return color.rgb;
  const auto value = static_cast<std::uint32_t>(std::stoul(text.substr(1), nullptr, 16));
  return {static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8 & 0xff),
          static_cast<std::uint8_t>(value & 0xff)};
}

}  // namespace ddpm
