#include <algorithm>
#include <cmath>
#include <regex>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"
#include "field_json.h"

namespace ddpm {
namespace {

// The limit keeps messages, file names and the work of regular expressions small.
constexpr std::size_t kMaxStringBytes = 4096;

bool has_range(const FieldLimits& limits) {
  return std::isfinite(limits.minimum) || std::isfinite(limits.maximum);
}

// "1000", "0.5", "1e+15".
std::string number_text(double value) {
  return std::abs(value) < 1e15 && std::floor(value) == value
             ? std::to_string(static_cast<std::int64_t>(value))
             : value_text(value);
}

// ">= 0" or "[0, 1)".
std::string interval_text(const FieldLimits& limits) {
  if (!std::isfinite(limits.maximum))
    return (limits.above_minimum ? "> " : ">= ") + number_text(limits.minimum);
  return format_text("{}{}, {}{}", limits.above_minimum ? "(" : "[", number_text(limits.minimum),
                     number_text(limits.maximum), limits.below_maximum ? ")" : "]");
}

// "" or " >= 0" or " in [0, 1)", to follow a noun.
std::string interval_clause(const FieldLimits& limits) {
  if (!has_range(limits)) return "";
  return (std::isfinite(limits.maximum) ? " in " : " ") + interval_text(limits);
}

bool in_range(const FieldLimits& limits, double value) {
  const bool large_enough = limits.above_minimum ? value > limits.minimum : value >= limits.minimum;
  const bool small_enough = limits.below_maximum ? value < limits.maximum : value <= limits.maximum;
  return large_enough && small_enough;
}

bool is_choice(const FieldLimits& limits, const std::string& value) {
  return limits.choices.empty() || std::ranges::find(limits.choices, value) != limits.choices.end();
}

bool is_plain_text(const std::string& value) {
  return value.size() <= kMaxStringBytes && is_utf8(value) &&
         std::ranges::none_of(
             value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_entry_count(const FieldLimits& limits, std::size_t size) {
  return (size >= 1 || limits.may_be_empty) && size <= limits.most_entries;
}

// Whether a value of each type is within the limits.
struct LimitCheck {
  const FieldLimits& limits;

  bool operator()(bool) const { return true; }
  bool operator()(std::int64_t value) const {
    return in_range(limits, static_cast<double>(value)) && is_choice(limits, std::to_string(value));
  }
  bool operator()(double value) const { return std::isfinite(value) && in_range(limits, value); }
  bool operator()(const std::string& value) const {
    return is_plain_text(value) && is_choice(limits, value) &&
           (limits.pattern.empty() || std::regex_match(value, std::regex(limits.pattern)));
  }
  bool operator()(const std::vector<std::int64_t>& values) const {
    return is_entry_count(limits, values.size()) &&
           std::ranges::all_of(values, [this](std::int64_t value) { return (*this)(value); });
  }
  bool operator()(const std::vector<bool>& values) const {
    return is_entry_count(limits, values.size());
  }
  bool operator()(const std::vector<std::string>& values) const {
    return is_entry_count(limits, values.size()) &&
           std::ranges::all_of(values, [this](const std::string& one) { return (*this)(one); });
  }
  template <class T>
  bool operator()(const PerLevel<T>& value) const {
    return is_entry_count(limits, value.values().size()) &&
           std::ranges::all_of(value.values(), [this](const T& one) { return (*this)(one); });
  }
};

FieldValue read(const ChoiceMember& member) { return member.get(); }
template <class Value>
FieldValue read(const Value* member) {
  return *member;
}

void write(const ChoiceMember& member, const FieldValue& value) { member.set(value); }
template <class Value>
void write(Value* member, const FieldValue& value) {
  *member = std::get<Value>(value);
}

}  // namespace

FieldType Field::type() const {
  static const Config kDefaults;
  return static_cast<FieldType>(value(kDefaults).index());
}

bool Field::is_list() const {
  const FieldType kind = type();
  return kind == FieldType::kIntegerList || kind == FieldType::kBooleanList ||
         kind == FieldType::kStringList;
}

bool Field::is_per_level() const {
  return type() == FieldType::kIntegerPerLevel || type() == FieldType::kStringPerLevel;
}

std::string Field::section() const { return path.substr(0, path.find('.')); }

std::string Field::name() const { return path.substr(path.find('.') + 1); }

FieldValue Field::value(const Config& config) const {
  // The accessors take a config that may be changed; reading through one changes nothing.
  const FieldMember where = member(const_cast<Config&>(config));
  return std::visit([](const auto& found) { return read(found); }, where);
}

FieldValue Field::default_value() const { return value(Config{}); }

void Field::set(Config& config, const FieldValue& new_value) const {
  std::visit([&](const auto& found) { write(found, new_value); }, member(config));
}

std::string type_text(FieldType type) {
  switch (type) {
    case FieldType::kBoolean:
      return "boolean";
    case FieldType::kInteger:
      return "integer";
    case FieldType::kNumber:
      return "number";
    case FieldType::kString:
      return "string";
    case FieldType::kIntegerList:
      return "list of integers";
    case FieldType::kBooleanList:
      return "list of booleans";
    case FieldType::kIntegerPerLevel:
      return "integer or list of integers";
    case FieldType::kStringPerLevel:
      return "string or list of strings";
    case FieldType::kStringList:
      return "list of strings";
  }
  return "";
}

std::string allowed_text(const Field& field) {
  const FieldLimits& limits = field.limits;
  const std::string or_list = field.is_per_level() ? ", or a list of them" : "";
  if (limits.choices.size() == 1) return limits.choices.front();
  if (!limits.choices.empty()) return "one of " + join(limits.choices, ", ") + or_list;
  if (!limits.pattern.empty()) return "one of " + limits.pattern_text;
  const std::string list =
      format_text("a list of {} to {} ", limits.may_be_empty ? 0 : 1, limits.most_entries);
  switch (field.type()) {
    case FieldType::kBoolean:
      return "true or false";
    case FieldType::kInteger:
      return "an integer" + interval_clause(limits);
    case FieldType::kNumber:
      return "a number" + interval_clause(limits);
    case FieldType::kString:
      return format_text("a string of at most {} bytes without control characters",
                         kMaxStringBytes);
    case FieldType::kIntegerList:
      return list + "integers" + interval_clause(limits);
    case FieldType::kBooleanList:
      return list + "booleans, true or false";
    case FieldType::kIntegerPerLevel:
      return "an integer" + interval_clause(limits) + or_list;
    case FieldType::kStringPerLevel:
      return "a string" + or_list;
    case FieldType::kStringList:
      return list + "strings";
  }
  return "";
}

std::string range_text(const Field& field) {
  const FieldLimits& limits = field.limits;
  if (!limits.choices.empty()) return join(limits.choices, " | ");
  if (!limits.pattern.empty()) return limits.pattern_text;
  return has_range(limits) ? interval_text(limits) : "";
}

bool allows(const Field& field, const FieldValue& value) {
  return static_cast<FieldType>(value.index()) == field.type() &&
         std::visit(LimitCheck{field.limits}, value);
}

std::string value_text(const FieldValue& value) { return json_text(field_to_json(value)); }

}  // namespace ddpm
