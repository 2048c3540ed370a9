#include "parse.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "field_json.h"
#include "unknown_key.h"

namespace ddpm {
namespace {

using nlohmann::json;

// Feeds the parser and counts the lines it has read. When the parser reports a key, it has read up
// to the closing quote, so the count is then the line of the key.
class LineCounter {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  LineCounter(const char* next, int* line) : next_(next), line_(line) {}
  reference operator*() const { return *next_; }
  LineCounter& operator++() {
    if (*next_++ == '\n') ++*line_;
    return *this;
  }
  LineCounter operator++(int) {
    LineCounter before = *this;
    ++*this;
    return before;
  }
  bool operator==(const LineCounter& other) const { return next_ == other.next_; }
  bool operator!=(const LineCounter& other) const { return next_ != other.next_; }

 private:
  const char* next_;
  int* line_;
};

std::string refused_text(const Field& field, const std::string& value) {
  return format_text("{} must be {}, not {}", field.path, allowed_text(field), shorten(value));
}

// Receives the parser's events in the order of the text and checks each against the field table, so
// anything too deep, too long or unknown ends the parsing at once.
class ConfigHandler : public nlohmann::json_sax<json> {
 public:
  ConfigHandler(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  ParsedConfig parse() {
    const LineCounter begin(text_.data(), &line_);
    const LineCounter end(text_.data() + text_.size(), &line_);
    json::sax_parse(begin, end, this, json::input_format_t::json, /*strict=*/true,
                    /*ignore_comments=*/true);
    return std::move(result_);
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(std::int64_t value) override { return scalar(value); }
  bool number_unsigned(std::uint64_t value) override { return scalar(value); }
  bool number_float(double value, const std::string&) override { return scalar(value); }
  bool string(std::string& value) override { return scalar(std::move(value)); }
  bool binary(json::binary_t&) override { return false; }  // not in JSON texts
  bool start_object(std::size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string& token,
                   const json::exception& error) override;

 private:
  enum class Place { kOutside, kTop, kSection };

  [[noreturn]] void fail(int line, const std::string& message) const {
    throw ConfigError(format_text("{}:{}: {}", origin_, line, message));
  }
  [[noreturn]] void refuse(const std::string& value) const;
  bool scalar(json value);
  void assign(const json& value);
  void extend(const json& value);

  std::string_view text_;
  const std::string& origin_;
  ParsedConfig result_;
  int line_ = 1;
  Place place_ = Place::kOutside;
  std::string section_;               // the current section, in kSection
  std::string path_;                  // path of the last key
  int key_line_ = 1;                  // its line
  const Field* field_ = nullptr;      // the field of that key; nullptr: it names a section
  std::optional<json> list_;          // inside a list: its elements so far
  std::map<std::string, int> lines_;  // the line of each key so far; unknown keys are refused
};

bool is_section(std::string_view name) {
  return std::ranges::any_of(sections(), [&](const Section& s) { return s.name == name; });
}

bool ConfigHandler::start_object(std::size_t) {
  if (list_) refuse("a list with objects");
  if (place_ == Place::kOutside) {
    place_ = Place::kTop;
  } else if (place_ == Place::kTop && is_section(path_)) {
    place_ = Place::kSection;
    section_ = path_;
  } else {
    refuse("an object");
  }
  return true;
}

bool ConfigHandler::key(std::string& name) {
  const bool top = place_ == Place::kTop;
  path_ = top ? name : section_ + "." + name;
  key_line_ = line_;
  field_ = top ? nullptr : find_field(path_);
  if (top && find_field(name) != nullptr) {
    const std::size_t dot = name.find('.');
    fail(line_, format_text("write '{}' as an object: \"{}\": {{\"{}\": ...}}", name,
                            name.substr(0, dot), name.substr(dot + 1)));
  }
  const bool known =
      top ? is_section(name) || name == "extends" || name == "$schema" : field_ != nullptr;
  if (!known) fail(line_, unknown_key_text(path_));
  const auto [first, is_new] = lines_.emplace(path_, line_);
  if (!is_new)
    fail(line_, format_text("'{}' is set twice, first on line {}", path_, first->second));
  return true;
}

bool ConfigHandler::end_object() {
  place_ = place_ == Place::kSection ? Place::kTop : Place::kOutside;
  return true;
}

bool ConfigHandler::start_array(std::size_t) {
  if (list_) refuse("a list of lists");
  list_ = json::array();
  return true;
}

bool ConfigHandler::end_array() {
  const json list = std::move(*list_);
  list_.reset();
  assign(list);
  return true;
}

bool ConfigHandler::scalar(json value) {
  if (list_)
    list_->push_back(std::move(value));
  else
    assign(value);
  return true;
}

void ConfigHandler::refuse(const std::string& value) const {
  if (place_ == Place::kOutside)
    fail(line_, "a config must be an object, { ... }, not " + shorten(value));
  if (field_ != nullptr) fail(key_line_, refused_text(*field_, value));
  if (path_ == "extends")
    fail(key_line_, "extends must be the name of a file or a list of names, not " + shorten(value));
  if (path_ == "$schema") fail(key_line_, "$schema must be a string, not " + shorten(value));
  fail(key_line_, format_text("{} is a section and must be an object, {{ ... }}, not {}", path_,
                              shorten(value)));
}

void ConfigHandler::assign(const json& value) {
  if (place_ == Place::kTop && path_ == "extends") return extend(value);
  if (place_ == Place::kTop && path_ == "$schema" && value.is_string()) return;  // for editors
  if (field_ == nullptr || place_ == Place::kOutside) refuse(json_text(value));
  const std::optional<FieldValue> typed = field_from_json(field_->type(), value);
  if (!typed || !allows(*field_, *typed)) refuse(json_text(value));
  result_.assignments.push_back({field_, *typed, key_line_});
}

void ConfigHandler::extend(const json& value) {
  for (const json& file : value.is_array() ? value : json::array({value})) {
    if (!file.is_string() || file.get_ref<const std::string&>().empty()) refuse(json_text(value));
    result_.extends.push_back({file.get<std::string>(), key_line_});
  }
}

bool ConfigHandler::parse_error(std::size_t position, const std::string&,
                                const json::exception& error) {
  // The wrong character is the last one that was read.
  const std::string_view read = text_.substr(0, position > 0 ? position - 1 : 0);
  const auto line = 1 + static_cast<int>(std::ranges::count(read, '\n'));
  const std::size_t column = read.size() - (read.rfind('\n') + 1) + 1;
  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..."
  std::string_view reason = error.what();
  if (const std::size_t colon = reason.find(": "); colon != std::string_view::npos)
    reason.remove_prefix(colon + 2);
  throw ConfigError(
      format_text("{}:{}:{}: this is not JSON: {}", origin_, line, column, shorten(reason, 300)));
}

}  // namespace

ParsedConfig parse_config(std::string_view text, const std::string& origin) {
  return ConfigHandler(text, origin).parse();
}

namespace {

// Splits a list of texts without quotation marks: "conv,resnet" or "[conv,resnet]".
json split_list(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  json list = json::array();
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    const std::size_t first = part.find_first_not_of(' '), last = part.find_last_not_of(' ');
    list.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
  }
  return list;
}

}  // namespace

FieldValue parse_option_value(const Field& field, const std::string& text,
                              const std::string& origin) {
  const FieldType type = field.type();
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool may_be_list = field.is_list() || (field.is_per_level() && value.is_discarded());
  if (may_be_list && !value.is_array()) value = json::parse("[" + text + "]", nullptr, false);
  if (type == FieldType::kString && !value.is_string()) value = text;
  const bool may_be_texts = type == FieldType::kStringPerLevel || type == FieldType::kStringList;
  if (may_be_texts && value.is_discarded()) value = split_list(text);
  std::optional<FieldValue> typed;
  if (!value.is_discarded()) typed = field_from_json(type, value);
  if (!typed || !allows(field, *typed)) {
    const json shown = value.is_discarded() ? json(text) : value;
    throw ConfigError(origin + ": " + refused_text(field, json_text(shown)));
  }
  return *typed;
}

}  // namespace ddpm
