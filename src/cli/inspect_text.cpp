// What `ddpm inspect` prints for people.
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "inspect.h"

namespace ddpm::cli {
namespace {

constexpr int kDigits = 4;

// "8x8" of {"width": 8, "height": 8}.
std::string size_text(const Json& value) {
  return format_text("{}x{}", value.at("width").get<long long>(),
                     value.at("height").get<long long>());
}

// A text without quotes, anything else as JSON.
std::string plain(const Json& value) { return value_text("", value, kDigits); }

// "40 images" of the only count in the row; empty if there is none.
std::string count_text(const Json& row) {
  for (const char* noun : {"image", "file", "value"})
    if (const auto count = row.find(std::string(noun) + "s"); count != row.end())
      return counted(count->get<std::int64_t>(), noun);
  return "";
}

std::string row_text(const std::string& list, const Json& row) {
  if (!row.is_object()) return plain(row);
  const auto text = [&](const char* key) { return plain(row.at(key)); };
  const auto json = [&](const char* key) { return dump_json(row.at(key)); };
  if (list == "sizes") return size_text(row) + ": " + count_text(row);
  if (list == "channels") return text("channels") + ": " + count_text(row);
  if (list == "classes")
    return text("number") + " " + text("name") +
           (row.contains("images") ? ": " + count_text(row) : "");
  if (list == "passed_over") return text("reason") + ": " + count_text(row);
  if (list == "types") return text("type") + ": " + count_text(row);
  if (list == "bad") return text("path") + ": " + text("reason");
  if (list == "tensor_list") return text("name") + " " + text("type") + " " + json("shape");
  if (list == "settings") return text("key") + ": " + json("a") + " -> " + json("b");
  if (list == "shapes") return text("name") + ": " + json("a") + " -> " + json("b");
  return plain(row);
}

// The texts of a picture; further lines of a text are indented.
std::string texts_of(const Json& texts) {
  std::string result = "texts:\n";
  for (const auto& [keyword, value] : texts.items()) {
    result += "  " + keyword + ": ";
    for (const char c : value.get<std::string>())
      result += c == '\n' ? "\n    " : std::string(1, c);
    result += '\n';
  }
  return result;
}

std::string value_line(const std::string& key, const Json& value) {
  if (key == "image")
    return size_text(value) + ", " + counted(value.at("channels").get<std::int64_t>(), "channel");
  return value_text(key, value, kDigits);
}

}  // namespace

std::string description_text(const Json& result) {
  std::string text;
  for (const auto& [key, value] : result.items()) {
    if (key == "texts") {
      text += texts_of(value);
    } else if (value.is_array()) {
      text += key + ":\n";
      for (const Json& row : value) text += "  " + row_text(key, row) + "\n";
    } else {
      text += format_text("{:<28} {}\n", key, value_line(key, value));
    }
  }
  return text;
}

}  // namespace ddpm::cli
