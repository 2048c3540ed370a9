#include "ddpm/formats/json.h"

#include <set>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

constexpr int kMaxDepth = 32;

// Python writes numbers that JSON does not have: NaN, Infinity and -Infinity. They become texts, so
// that they are harmless where nobody asks for them and refused where a number is needed.
std::string with_quoted_numbers(std::string_view text) {
  std::string result;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_text && text[i] == '\\' && i + 1 < text.size()) {
      result += text[i++];
    } else if (text[i] == '"') {
      in_text = !in_text;
    } else if (!in_text) {
      const std::string_view rest = text.substr(i);
      for (const std::string_view number : {"-Infinity", "Infinity", "NaN"})
        if (rest.starts_with(number)) {
          result.append("\"").append(number).append("\"");
          i += number.size();
          break;
        }
      if (i >= text.size()) break;
    }
    result += text[i];
  }
  return result;
}

// With every text made valid.
nlohmann::ordered_json with_valid_texts(const nlohmann::ordered_json& value) {
  using Json = nlohmann::ordered_json;
  if (value.is_string()) return valid_utf8(value.get_ref<const std::string&>());
  if (!value.is_structured()) return value;
  Json result = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, element] : value.items())
    if (value.is_array())
      result.push_back(with_valid_texts(element));
    else
      result[valid_utf8(key)] = with_valid_texts(element);
  return result;
}

}  // namespace

std::string dump_json(const nlohmann::ordered_json& value, int indent) {
  return with_valid_texts(value).dump(indent);
}

nlohmann::json parse_json(std::string_view text, const std::string& name, JsonComments comments) {
  using nlohmann::json;
  if (text.size() > kMaxJsonBytes)
    throw CheckpointError(format_text("{}: {} bytes of JSON are more than the {} allowed here",
                                      name, text.size(), kMaxJsonBytes));
  std::vector<std::set<std::string>> keys;  // keys of each object that is still open
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth)
      throw CheckpointError(format_text("{}: nested deeper than {} levels", name, kMaxDepth));
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key &&
        !keys.back().insert(parsed.get_ref<const std::string&>()).second)
      throw CheckpointError(format_text("{}: key '{}' appears twice", name,
                                        shorten(parsed.get_ref<const std::string&>())));
    return true;
  };
  try {
    return json::parse(text, check, /*allow_exceptions=*/true, comments == JsonComments::kIgnored);
  } catch (const json::exception& error) {
    throw CheckpointError(name + ": not valid JSON: " + shorten(error.what(), 300));
  }
}

nlohmann::json read_json_file(const fs::path& path) {
  std::string text;
  try {
    text = read_file(path, kMaxJsonBytes);
  } catch (const IoError& error) {
    blame_file<CheckpointError>(error);
  }
  return parse_json(with_quoted_numbers(text), path.string());
}

}  // namespace ddpm
