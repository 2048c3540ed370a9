// metrics.jsonl: one JSON object a line, the numbers of a run as scripts and notebooks read them.
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
// In the order of the line. Keys do not repeat.
using MetricRecord = std::vector<std::pair<std::string, MetricValue>>;

// One line without its end. Doubles get the shortest digits that read back exactly; NaN and
// infinities, which JSON cannot express, become null. Text that is not UTF-8 gets replacement
// characters.
std::string to_json_line(const MetricRecord& record);

// Appends records to a file, which it creates. Each line reaches the kernel at once (see
// LineWriter). A torn line that a crash left at the end is closed first, so it cannot swallow the
// next record.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path);

  void append(const MetricRecord& record) { writer_.append(to_json_line(record)); }
  // What was appended survives a crash of the machine. May be called in another thread.
  void sync() { writer_.sync(); }

 private:
  LineWriter writer_;
};

// Every record of the file: whole numbers as int64, null as NaN, values that are objects, arrays or
// booleans left out. Lines that are no JSON object (a torn one after a crash) are skipped. Throws
// IoError.
std::vector<MetricRecord> read_metrics(const std::filesystem::path& path);

// Value of a key as a number; NaN if it is missing or a text.
double metric_number(const MetricRecord& record, const std::string& key);

// Drops the lines of steps after `max_step`, and torn lines, atomically. A run that resumes from a
// checkpoint calls this, so no step appears twice. Lines without "step" stay. A missing file is
// fine. Throws IoError.
void trim_metrics(const std::filesystem::path& path, std::int64_t max_step);

}  // namespace ddpm
