#include "class_names.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm::cli {
namespace {

[[noreturn]] void refuse_class(const std::string& option, const std::string& text,
                               const std::vector<std::string>& names) {
  if (names.empty())
    throw ConfigError(format_text(
        "{}: this model does not know the names of its classes; give the number of '{}'", option,
        shorten(text)));
  const std::string likely = nearest(text, names);
  throw ConfigError(format_text("{}: unknown '{}'; {}", option, shorten(text),
                                likely.empty() ? "choose from " + shorten(join(names), 300)
                                               : "did you mean '" + likely + "'?"));
}

// The class of this name; nothing if there is none.
std::optional<std::int64_t> named_class(const std::string& option, const std::string& text,
                                        const std::vector<std::string>& names) {
  const auto count = static_cast<std::int64_t>(names.size());
  const auto position = [&](const std::string& name) -> std::int64_t {
    return std::ranges::find(names, name) - names.begin();
  };
  const std::int64_t as_shown = position(text), as_called = position(escaped(text));
  if (as_shown != as_called && as_shown < count && as_called < count)
    throw ConfigError(format_text(
        "{}: '{}' is class {} as names are shown, and class {} as its folder is called; give "
        "the number",
        option, shorten(text), as_shown, as_called));
  const std::int64_t number = std::min(as_shown, as_called);
  return number < count ? std::optional(number) : std::nullopt;
}

std::int64_t null_class(const std::string& option, const ModelConfig& model) {
  if (model.null_class) return model.classes;
  throw ConfigError(option +
                    ": this network has no null class (model.null_class), so every image needs one "
                    "of its classes");
}

// The numbers of all classes; empty if their number is unknown.
std::vector<std::int64_t> all_classes(const std::string& option, const ModelConfig& model) {
  if (model.classes == 0)
    throw ConfigError(option + ": this network has no classes, or their number is unknown");
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(model.classes));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

}  // namespace

std::int64_t class_number(const std::string& option, const std::string& text,
                          const Config& config) {
  const std::vector<std::string>& names = config.data.class_names;
  if (const auto number = named_class(option, text, names)) {
    log_info("class: {} ({})", *number, names[static_cast<std::size_t>(*number)]);
    return *number;
  }
  if (text == "none") return null_class(option, config.model);
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0)
    refuse_class(option, text, names);
  if (number < std::ssize(names))
    log_info("class: {} ({})", number, names[static_cast<std::size_t>(number)]);
  return number;
}

std::vector<std::int64_t> class_numbers(const std::string& option, const std::string& text,
                                        const Config& config) {
  const bool is_name = named_class(option, text, config.data.class_names).has_value();
  if (text == "all" && !is_name) return all_classes(option, config.model);
  if (is_name || text.find(',') == std::string::npos) return {class_number(option, text, config)};
  std::vector<std::int64_t> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = trimmed(text.substr(begin, end - begin));
    if (part.empty())
      throw ConfigError(
          format_text("{}: '{}' has an empty entry; write a list as 3,5,7", option, shorten(text)));
    numbers.push_back(class_number(option, part, config));
    begin = end + 1;
  }
  return numbers;
}

}  // namespace ddpm::cli
