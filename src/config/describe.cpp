#include "ddpm/config/describe.h"

#include <algorithm>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "field_json.h"

namespace ddpm {
namespace {

std::vector<const Field*> fields_of(const Section& section) {
  std::vector<const Field*> list;
  for (const Field& field : fields())
    if (field.section() == section.name) list.push_back(&field);
  return list;
}

// "  // --set", or nothing. `shorten` removes line ends of a file name, which would end the
// comment.
std::string origin_comment(const Origins& origins, const std::string& path) {
  const auto found = origins.find(path);
  return found == origins.end() ? "" : "  // " + printable(shorten(found->second, 200));
}

std::string section_json(const Section& section, const Config& config, const Origins& origins) {
  const std::vector<const Field*> members = fields_of(section);
  std::string text = format_text("  \"{}\": {{\n", section.name);
  for (const Field* field : members)
    text += format_text("    \"{}\": {}{}{}\n", field->name(), value_text(field->value(config)),
                        field == members.back() ? "" : ",", origin_comment(origins, field->path));
  return text + "  }";
}

std::string config_json(const Config& config, const Origins& origins) {
  std::vector<std::string> parts;
  for (const Section& section : sections()) parts.push_back(section_json(section, config, origins));
  return "{\n" + join(parts, ",\n") + "\n}\n";
}

std::size_t longest_path() {
  std::size_t longest = 0;
  for (const Field& field : fields()) longest = std::max(longest, field.path.size());
  return longest;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string setting_line(const Field& field, const Config& config) {
  const std::string value = value_text(field.value(config));
  const std::string usual = value_text(field.default_value());
  return padded(field.path, longest_path()) + "  " +
         (value == usual ? value : padded(value, 12) + "  (default " + usual + ")");
}

}  // namespace

std::string to_json(const Config& config) { return config_json(config, {}); }

std::string config_show(const ResolvedConfig& resolved, bool with_origins) {
  return config_json(resolved.config, with_origins ? resolved.origins : Origins());
}

std::string config_show_json(const ResolvedConfig& resolved) {
  nlohmann::ordered_json keys;
  for (const Field& field : fields()) {
    const auto origin = resolved.origins.find(field.path);
    keys[field.path] = {{"value", field_to_json(field.value(resolved.config))},
                        {"default", field_to_json(field.default_value())},
                        {"origin", origin == resolved.origins.end() ? "default" : origin->second}};
  }
  return keys.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string config_keys_text() {
  std::string text;
  for (const Field& field : fields()) {
    const std::string range = range_text(field);
    text += format_text("{}  {}, default {}{}. {}\n", padded(field.path, longest_path()),
                        type_text(field.type()), value_text(field.default_value()),
                        range.empty() ? "" : ", " + range, field.help);
  }
  return text;
}

std::vector<std::string> settings_table(const Config& config) {
  std::vector<std::string> lines;
  for (const Field& field : fields()) lines.push_back(setting_line(field, config));
  return lines;
}

std::vector<std::string> changed_settings(const Config& config) {
  std::vector<std::string> lines;
  for (const Field& field : fields())
    if (field.value(config) != field.default_value()) lines.push_back(setting_line(field, config));
  return lines;
}

}  // namespace ddpm
