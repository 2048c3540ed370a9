// metrics.jsonl holds the numbers of a run for scripts and notebooks: a JSON object on each line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ddpm/base/file.h"

namespace ddpm {

using MetricValue = std::variant<double, std::int64_t, std::string>;
// The pairs in the order of the line. Keys do not repeat.
using MetricRecord = std::vector<std::pair<std::string, MetricValue>>;

// The line of a record, without a line end. Doubles get the shortest digits that read back exactly.
// NaN and infinities become null, because JSON has no numbers for them. Bytes that are not UTF-8
// become U+FFFD.
std::string to_json_line(const MetricRecord& record);

// Appends records to a file, which it creates. Each line reaches the kernel at once (see
// LineWriter). If a crash left half a line at the end, that line is ended first, so it is not
// joined to the next record.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path);

  void append(const MetricRecord& record) { writer_.append(to_json_line(record)); }
  // Makes all appended records survive a crash of the machine. Another thread may call it.
  void sync() { writer_.sync(); }

 private:
  LineWriter writer_;
};

// Every record of the file. Whole numbers are int64, null is NaN; objects, arrays and booleans are
// left out. A line that is not a JSON object (half a line after a crash) is skipped. Throws
// IoError.
std::vector<MetricRecord> read_metrics(const std::filesystem::path& path);

// The value of a key as a number; NaN if it is missing or a text.
double metric_number(const MetricRecord& record, const std::string& key);

// Removes the lines of steps after `max_step`, and incomplete lines, atomically. A run that resumes
// from a checkpoint calls this, so that no step appears twice. Lines without "step" stay. Does
// nothing if the file is missing. Throws IoError.
void trim_metrics(const std::filesystem::path& path, std::int64_t max_step);

}  // namespace ddpm
