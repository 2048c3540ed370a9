#include "field_json.h"

#include <cmath>

#include "ddpm/base/text.h"

namespace ddpm {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::optional<std::int64_t> integer_from_json(const json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > std::uint64_t{INT64_MAX}) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  // Up to 2^53 a double represents every integer.
  if (std::floor(number) != number || std::abs(number) > 0x1p53) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<FieldValue> integers_from_json(const json& value) {
  std::vector<std::int64_t> numbers;
  for (const json& element : value) {
    const std::optional<std::int64_t> number = integer_from_json(element);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<FieldValue> booleans_from_json(const json& value) {
  std::vector<bool> flags;
  for (const json& element : value) {
    if (!element.is_boolean()) return std::nullopt;
    flags.push_back(element.get<bool>());
  }
  return flags;
}

std::optional<std::vector<std::string>> texts_from_json(const json& value) {
  std::vector<std::string> texts;
  for (const json& element : value) {
    if (!element.is_string()) return std::nullopt;
    texts.push_back(element.get<std::string>());
  }
  return texts;
}

std::optional<FieldValue> text_per_level_from_json(const json& value) {
  auto texts = texts_from_json(value.is_array() ? value : json::array({value}));
  if (!texts) return std::nullopt;
  return PerLevel<std::string>(std::move(*texts));
}

// A value, or a list with one for each level.
std::optional<FieldValue> integer_per_level_from_json(const json& value) {
  const std::optional<FieldValue> list =
      integers_from_json(value.is_array() ? value : json::array({value}));
  if (!list) return std::nullopt;
  return PerLevel<std::int64_t>(std::get<std::vector<std::int64_t>>(*list));
}

template <class T>
ordered_json to_json_value(const T& value) {
  return value;
}
template <class T>
ordered_json to_json_value(const PerLevel<T>& value) {
  if (value.is_list()) return value.values();
  return value.values().front();
}

template <class T>
std::optional<FieldValue> get_if(bool has_type, const json& value) {
  if (!has_type) return std::nullopt;
  return value.get<T>();
}

}  // namespace

ordered_json field_to_json(const FieldValue& value) {
  return std::visit([](const auto& alternative) { return to_json_value(alternative); }, value);
}

std::optional<FieldValue> field_from_json(FieldType type, const json& value) {
  switch (type) {
    case FieldType::kBoolean:
      return get_if<bool>(value.is_boolean(), value);
    case FieldType::kInteger:
      return integer_from_json(value);
    case FieldType::kNumber:
      return get_if<double>(value.is_number(), value);
    case FieldType::kString:
      return get_if<std::string>(value.is_string(), value);
    case FieldType::kIntegerList:
      return value.is_array() ? integers_from_json(value) : std::nullopt;
    case FieldType::kBooleanList:
      return value.is_array() ? booleans_from_json(value) : std::nullopt;
    case FieldType::kIntegerPerLevel:
      return integer_per_level_from_json(value);
    case FieldType::kStringPerLevel:
      return text_per_level_from_json(value);
    case FieldType::kStringList:
      return value.is_array() ? texts_from_json(value) : std::nullopt;
  }
  return std::nullopt;
}

std::string json_text(const ordered_json& value) {
  if (!value.is_array()) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  std::string text = "[";
  for (const ordered_json& element : value)
    text += (text.size() > 1 ? ", " : "") + json_text(element);
  return text + "]";
}

bool is_utf8(const std::string& text) { return valid_utf8(text) == text; }

}  // namespace ddpm
