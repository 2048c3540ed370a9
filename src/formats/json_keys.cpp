#include "ddpm/formats/json_keys.h"

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// Larger integers are mistakes. Everything computed from integers up to this fits 64 bits.
constexpr std::int64_t kMaxInteger = 1'000'000'000;

bool is_integer(const nlohmann::json& value) {
  if (value.is_number_unsigned())
    return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxInteger);
  return value.is_number_integer() && value.get<std::int64_t>() >= -kMaxInteger;
}

std::string dump(const nlohmann::json& value) {
  return shorten(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

JsonKeys::JsonKeys(const nlohmann::json& object, std::string name)
    : object_(object), name_(std::move(name)) {
  if (!object.is_object()) throw CheckpointError(name_ + ": not a JSON object");
}

void JsonKeys::fail(const std::string& key, const std::string& reason) const {
  const auto found = object_.find(key);
  throw CheckpointError(format_text("{}: {}{}: {}", name_, key,
                                    found == object_.end() ? "" : " = " + dump(*found), reason));
}

const nlohmann::json* JsonKeys::find(const std::string& key) {
  asked_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

bool JsonKeys::boolean(const std::string& key, bool otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(key, "must be true or false");
  return value->get<bool>();
}

std::int64_t JsonKeys::integer(const std::string& key, std::int64_t otherwise) {
  const std::optional<std::int64_t> value = integer_or_null(key, otherwise);
  if (!value) fail(key, "must be a whole number");
  return *value;
}

std::optional<std::int64_t> JsonKeys::integer_or_null(const std::string& key,
                                                      std::optional<std::int64_t> otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_null()) return std::nullopt;
  if (!is_integer(*value)) fail(key, "must be a whole number in [-1e9, 1e9]");
  return value->get<std::int64_t>();
}

double JsonKeys::number(const std::string& key, double otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) fail(key, "must be a number");
  return value->get<double>();
}

std::string JsonKeys::text(const std::string& key, const std::string& otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(key, "must be a string");
  return value->get<std::string>();
}

std::vector<std::int64_t> JsonKeys::integers(const std::string& key,
                                             std::vector<std::int64_t> otherwise) {
  const nlohmann::json* value = find(key);
  return value == nullptr ? otherwise : to_integers(key, *value);
}

std::vector<std::vector<std::int64_t>> JsonKeys::integer_lists(
    const std::string& key, std::vector<std::vector<std::int64_t>> otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_array()) fail(key, "must be a list of lists");
  std::vector<std::vector<std::int64_t>> lists;
  for (const nlohmann::json& element : *value) {
    if (!element.is_array()) fail(key, "must be a list of lists");
    lists.push_back(to_integers(key, element));
  }
  return lists;
}

std::vector<std::int64_t> JsonKeys::to_integers(const std::string& key,
                                                const nlohmann::json& list) const {
  if (!list.is_array()) fail(key, "must be a list");
  std::vector<std::int64_t> numbers;
  for (const nlohmann::json& element : list) {
    if (!is_integer(element)) fail(key, "must contain only whole numbers in [-1e9, 1e9]");
    numbers.push_back(element.get<std::int64_t>());
  }
  return numbers;
}

std::vector<std::string> JsonKeys::texts(const std::string& key,
                                         std::vector<std::string> otherwise) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_array()) fail(key, "must be a list");
  std::vector<std::string> list;
  for (const nlohmann::json& element : *value) {
    if (!element.is_string()) fail(key, "must contain only strings");
    list.push_back(element.get<std::string>());
  }
  return list;
}

void JsonKeys::require(const std::string& key, const nlohmann::json& only_value) {
  const nlohmann::json* value = find(key);
  if (value != nullptr && *value != only_value)
    fail(key, "not supported; only " + only_value.dump() + " is");
}

std::vector<std::string> JsonKeys::unknown() const {
  std::vector<std::string> keys;
  for (const auto& item : object_.items())
    if (!item.key().starts_with('_') && !asked_.contains(item.key())) keys.push_back(item.key());
  return keys;
}

}  // namespace ddpm
