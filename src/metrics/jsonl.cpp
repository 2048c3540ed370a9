#include "ddpm/metrics/jsonl.h"

#include <limits>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"

namespace ddpm {
namespace {

using Json = nlohmann::ordered_json;

// Calls visit(line, object) for every line that is a JSON object.
template <typename Visit>
void for_each_object(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object()) visit(line, object);
  }
}

std::optional<MetricValue> to_value(const Json& json) {
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (json.is_string()) return json.get<std::string>();
  return std::nullopt;
}

// Ends a line that a crash cut short, before the writer opens the file. Returns the path.
const std::filesystem::path& close_torn_line(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return path;
  const MappedFile file(path);
  if (!file.bytes().empty() && file.bytes().back() != std::byte{'\n'}) LineWriter(path).append("");
  return path;
}

}  // namespace

std::string to_json_line(const MetricRecord& record) {
  Json json = Json::object();
  for (const auto& [key, value] : record)
    std::visit([&json, &name = key](const auto& v) { json[name] = v; }, value);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

MetricsWriter::MetricsWriter(const std::filesystem::path& path) : writer_(close_torn_line(path)) {}

std::vector<MetricRecord> read_metrics(const std::filesystem::path& path) {
  std::vector<MetricRecord> records;
  for_each_object(read_file(path), [&records](std::string_view, const Json& object) {
    MetricRecord record;
    for (const auto& [key, json] : object.items())
      if (const std::optional<MetricValue> value = to_value(json)) record.emplace_back(key, *value);
    records.push_back(std::move(record));
  });
  return records;
}

double metric_number(const MetricRecord& record, const std::string& key) {
  for (const auto& [name, value] : record) {
    if (name != key) continue;
    if (const auto* number = std::get_if<double>(&value)) return *number;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void trim_metrics(const std::filesystem::path& path, std::int64_t max_step) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = read_file(path);
  std::string kept;
  for_each_object(text, [&](std::string_view line, const Json& object) {
    const auto step = object.find("step");
    if (step != object.end() && step->is_number() &&
        step->template get<double>() > static_cast<double>(max_step))
      return;
    kept.append(line) += '\n';
  });
  if (kept != text) write_file_atomically(path, kept);
}

}  // namespace ddpm
