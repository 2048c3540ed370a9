// Reads the keys of a JSON object one by one and remembers which ones were read.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/word.h"

namespace ddpm {

class JsonKeys {
 public:
  // Throws CheckpointError "<name>: ..." if `object` is not a JSON object.
  JsonKeys(const nlohmann::json& object, std::string name);

  [[noreturn]] void fail(const std::string& key, const std::string& reason) const;

  // If the key is absent, these return `otherwise`; if its type is wrong, they call fail().
  bool boolean(const std::string& key, bool otherwise);
  std::int64_t integer(const std::string& key, std::int64_t otherwise);
  double number(const std::string& key, double otherwise);
  std::string text(const std::string& key, const std::string& otherwise);
  // The value that the text stands for. If it is none of the words, fail() lists them all.
  template <class Value, std::size_t size>
  Value word(const std::string& key, const std::string& otherwise,
             const std::array<Word<Value>, size>& words) {
    const std::optional<Value> value = value_of(words, text(key, otherwise));
    if (value) return *value;
    std::vector<std::string> texts;
    for (const Word<Value>& known : words) texts.emplace_back(known.text);
    fail(key, "not supported; only " + join(texts, ", ", " and ") + " are");
  }
  // null gives nothing.
  std::optional<std::int64_t> integer_or_null(const std::string& key,
                                              std::optional<std::int64_t> otherwise);
  std::vector<std::int64_t> integers(const std::string& key, std::vector<std::int64_t> otherwise);
  // A list of lists. Each list's elements must be whole numbers.
  std::vector<std::vector<std::int64_t>> integer_lists(
      const std::string& key, std::vector<std::vector<std::int64_t>> otherwise);
  std::vector<std::string> texts(const std::string& key, std::vector<std::string> otherwise);
  const nlohmann::json* find(const std::string& key);

  // Calls fail() unless the key is absent or has this value.
  void require(const std::string& key, const nlohmann::json& only_value);

  // The keys that were never read, without private ones, which begin with an underscore.
  std::vector<std::string> unknown() const;

 private:
  std::vector<std::int64_t> to_integers(const std::string& key, const nlohmann::json& list) const;

  const nlohmann::json& object_;
  std::string name_;
  std::set<std::string> asked_;
};

}  // namespace ddpm
