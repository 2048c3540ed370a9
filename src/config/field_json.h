// Values of fields as nlohmann/json values. Internal to config: no public header includes the
// library.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "ddpm/config/fields.h"

namespace ddpm {

nlohmann::ordered_json field_to_json(const FieldValue& value);

// The value as the field's type; nothing if it has another type. 100.0 is an integer, as in JSON
// Schema; 100 is a number too.
std::optional<FieldValue> field_from_json(FieldType type, const nlohmann::json& value);

// The value on one line, with a space after each comma: [1, 2, 2]. Bytes that are not UTF-8 become
// U+FFFD.
std::string json_text(const nlohmann::ordered_json& value);

bool is_utf8(const std::string& text);

}  // namespace ddpm
