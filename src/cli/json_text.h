// Results that commands print as JSON for programs and as text for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace ddpm::cli {

using Json = nlohmann::ordered_json;

// A value for people: under a key that ends with _bytes a size, whole numbers with separators,
// others with so many digits, texts without quotes, anything else as JSON.
std::string value_text(const std::string& key, const Json& value, int digits);

}  // namespace ddpm::cli
