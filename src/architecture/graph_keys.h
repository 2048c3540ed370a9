// Reads the keys of a layer graph. Private to architecture/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {

// A JSON object whose keys are read one by one. `path` is "" or "layers[3]".
class GraphKeys {
 public:
  GraphKeys(const nlohmann::json& object, std::string origin, std::string path)
      : object_(object), origin_(std::move(origin)), path_(std::move(path)) {
    if (!object.is_object())
      throw ConfigError(format_text("{}: {} must be an object, {{ ... }}, not {}", origin_,
                                    path_.empty() ? "a layer graph" : path_,
                                    shorten(object.dump())));
  }

  [[noreturn]] void fail(const std::string& key, const std::string& reason) const {
    throw ConfigError(
        format_text("{}: {} {}", origin_, path_.empty() ? key : path_ + "." + key, reason));
  }
  [[noreturn]] void refuse(const std::string& key, const std::string& wanted,
                           const nlohmann::json& found) const {
    fail(key, format_text("must be {}, not {}", wanted, shorten(found.dump())));
  }

  const nlohmann::json* find(const std::string& key) {
    asked_.push_back(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  std::string text(const std::string& key, const std::string& otherwise) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string() || value->get_ref<const std::string&>().empty())
      refuse(key, "a text", *value);
    return value->get<std::string>();
  }

  double number(const std::string& key, double otherwise, double most) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !(value->get<double>() > 0) || value->get<double>() > most)
      refuse(key, format_text("a number above 0 and up to {:g}", most), *value);
    return value->get<double>();
  }

  // One whole number for all axes, or a list with one for each.
  std::vector<std::int64_t> integers(const std::string& key, std::size_t axes,
                                     std::optional<std::int64_t> otherwise, std::int64_t least,
                                     std::int64_t most) {
    const nlohmann::json* value = find(key);
    if (value == nullptr && !otherwise)
      fail(key, "is missing; it must be a whole number from " + std::to_string(least));
    if (value == nullptr) return std::vector<std::int64_t>(axes, *otherwise);
    const std::string wanted = format_text("a whole number from {} to {}", least, most) +
                               (axes > 1 ? ", or a list with one for each axis" : "");
    const bool is_list = value->is_array() && axes > 1;
    if (is_list && value->size() != axes) refuse(key, wanted, *value);
    std::vector<std::int64_t> result;
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const nlohmann::json& element = is_list ? (*value)[axis] : *value;
      const bool is_allowed = element.is_number_integer() &&
                              element.get<double>() >= double(least) &&
                              element.get<double>() <= double(most);
      if (!is_allowed) refuse(key, wanted, *value);
      result.push_back(element.get<std::int64_t>());
    }
    return result;
  }

  // A text, or a list of texts that is not empty.
  std::vector<std::string> texts(const std::string& key, std::vector<std::string> otherwise) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return otherwise;
    std::vector<std::string> result;
    for (const nlohmann::json& element :
         value->is_array() ? *value : nlohmann::json::array({*value})) {
      if (!element.is_string()) refuse(key, "a name or a list of names", *value);
      result.push_back(element.get<std::string>());
    }
    if (result.empty()) refuse(key, "a name or a list of names", *value);
    return result;
  }

  // `of` says what has such keys, for messages.
  void refuse_unknown(const std::string& of) const {
    for (const auto& item : object_.items()) {
      if (std::ranges::find(asked_, item.key()) != asked_.end()) continue;
      const std::string guess = nearest(item.key(), asked_);
      fail(shorten(item.key()), format_text("is no key of {}; {}", of,
                                            guess.empty() ? "its keys are " + join(asked_)
                                                          : "did you mean '" + guess + "'?"));
    }
  }

 private:
  const nlohmann::json& object_;
  std::string origin_, path_;
  std::vector<std::string> asked_;
};

}  // namespace ddpm
