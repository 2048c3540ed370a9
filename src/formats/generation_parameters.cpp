#include "ddpm/formats/generation_parameters.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include <nlohmann/json.hpp>

namespace ddpm {
namespace {

constexpr std::string_view kNegative = "Negative prompt:";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string quoted(const std::string& value) {
  if (value.find_first_of(",:\n") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', /*ensure_ascii=*/false,
                                    nlohmann::json::error_handler_t::replace);
}

bool is_key_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_ -/").find(c) != std::string_view::npos;
}

// Where a string of JSON at the beginning of the text ends; 0 if there is none.
std::size_t end_of_string(std::string_view text) {
  if (!text.starts_with('"')) return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return 0;
}

std::string unquoted(std::string_view text) {
  const nlohmann::json value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_string() ? value.get<std::string>() : std::string(text);
}

// The settings "key: value, key: value" of a line, as far as it is one.
std::vector<std::pair<std::string, std::string>> parse_settings(std::string_view line) {
  std::vector<std::pair<std::string, std::string>> settings;
  while (!(line = trimmed(line)).empty()) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 ||
        !std::ranges::all_of(line.substr(0, colon), is_key_character))
      break;
    const std::string key(line.substr(0, colon));
    line = trimmed(line.substr(colon + 1));
    const std::size_t string = end_of_string(line);
    const std::size_t end = std::min(line.find(',', string), line.size());
    const std::string_view value = trimmed(line.substr(0, end));
    settings.emplace_back(key, string > 0 ? unquoted(value) : std::string(value));
    line = end < line.size() ? line.substr(end + 1) : std::string_view{};
  }
  return settings;
}

}  // namespace

const std::string* GenerationParameters::find(std::string_view key) const {
  const auto found = std::ranges::find_if(settings, [&](const auto& s) { return s.first == key; });
  return found == settings.end() ? nullptr : &found->second;
}

std::string to_text(const GenerationParameters& parameters) {
  std::string text = parameters.prompt;
  if (!parameters.negative_prompt.empty())
    text += "\n" + std::string(kNegative) + " " + parameters.negative_prompt;
  text += "\n";
  for (std::size_t i = 0; i < parameters.settings.size(); ++i) {
    const auto& [key, value] = parameters.settings[i];
    text += (i > 0 ? ", " : "") + key + ": " + quoted(value);
  }
  return text;
}

GenerationParameters parse_generation_parameters(std::string_view text) {
  constexpr std::size_t kFewest = 3;
  GenerationParameters parameters;
  text = trimmed(text);
  const std::size_t last = text.rfind('\n');
  const std::string_view line = last == std::string_view::npos ? text : text.substr(last + 1);
  parameters.settings = parse_settings(line);
  if (parameters.settings.size() >= kFewest)
    text = last == std::string_view::npos ? std::string_view{} : text.substr(0, last);
  else
    parameters.settings.clear();
  std::size_t negative = text.starts_with(kNegative) ? 0 : text.find("\n" + std::string(kNegative));
  if (negative == std::string_view::npos) negative = text.size();
  parameters.prompt = trimmed(text.substr(0, negative));
  const std::string_view rest = trimmed(text.substr(negative));
  if (!rest.empty()) parameters.negative_prompt = trimmed(rest.substr(kNegative.size()));
  return parameters;
}

}  // namespace ddpm
