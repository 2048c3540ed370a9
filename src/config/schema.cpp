#include <algorithm>
#include <cmath>

#include "ddpm/config/describe.h"
#include "ddpm/config/fields.h"
#include "field_json.h"

namespace ddpm {
namespace {

using nlohmann::ordered_json;

std::string schema_type(FieldType type) {
  switch (type) {
    case FieldType::kBoolean:
    case FieldType::kBooleanList:
      return "boolean";
    case FieldType::kInteger:
    case FieldType::kIntegerList:
    case FieldType::kIntegerPerLevel:
      return "integer";
    case FieldType::kNumber:
      return "number";
    case FieldType::kString:
    case FieldType::kStringPerLevel:
    case FieldType::kStringList:
      return "string";
  }
  return "";
}

// Writes whole bounds without a fraction, as people do.
ordered_json bound(double value) {
  if (std::floor(value) == value) return static_cast<std::int64_t>(value);
  return value;
}

// Type and limits of a single value: the field's, or those of an element if it is a list.
ordered_json value_schema(const Field& field) {
  const FieldLimits& limits = field.limits;
  ordered_json schema = {{"type", schema_type(field.type())}};
  for (const std::string& choice : limits.choices)
    schema["enum"].push_back(field.type() == FieldType::kInteger ? ordered_json::parse(choice)
                                                                 : ordered_json(choice));
  if (std::isfinite(limits.minimum))
    schema[limits.above_minimum ? "exclusiveMinimum" : "minimum"] = bound(limits.minimum);
  if (std::isfinite(limits.maximum))
    schema[limits.below_maximum ? "exclusiveMaximum" : "maximum"] = bound(limits.maximum);
  if (!limits.pattern.empty()) schema["pattern"] = limits.pattern;
  return schema;
}

ordered_json list_schema(const Field& field) {
  return {{"type", "array"},
          {"items", value_schema(field)},
          {"minItems", field.limits.may_be_empty ? 0 : 1},
          {"maxItems", field.limits.most_entries}};
}

ordered_json field_schema(const Field& field) {
  ordered_json schema = field.is_list() ? list_schema(field) : value_schema(field);
  if (field.is_per_level())
    schema = {{"anyOf", ordered_json::array({value_schema(field), list_schema(field)})}};
  schema["description"] = field.help;
  schema["default"] = field_to_json(field.default_value());
  return schema;
}

ordered_json section_schema(const Section& section) {
  ordered_json properties;
  for (const Field& field : fields())
    if (field.section() == section.name) properties[field.name()] = field_schema(field);
  return {{"type", "object"},
          {"description", section.help},
          {"additionalProperties", false},
          {"properties", properties}};
}

ordered_json extends_schema() {
  const ordered_json name = {{"type", "string"}, {"minLength", 1}};
  return {{"description",
           "Files to start from, relative to this one; later ones override earlier ones"},
          {"anyOf", ordered_json::array({name, {{"type", "array"}, {"items", name}}})}};
}

}  // namespace

std::string config_schema() {
  ordered_json properties = {
      {"$schema", {{"type", "string"}, {"description", "For editors; not read by the program"}}},
      {"extends", extends_schema()}};
  for (const Section& section : sections()) properties[section.name] = section_schema(section);
  const ordered_json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                               {"title", "Config of ddpm"},
                               {"type", "object"},
                               {"additionalProperties", false},
                               {"properties", properties}};
  return schema.dump(2) + "\n";
}

}  // namespace ddpm
