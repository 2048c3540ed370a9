// Writes messages for people to standard error and, during a run, to train.log. Standard output
// carries results only.
#pragma once

#include <filesystem>
#include <string>

#include "ddpm/base/format.h"

namespace ddpm {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  bool quiet = false;          // warnings and errors only
  bool verbose = false;        // debug messages too
  std::filesystem::path file;  // also append here; empty: no file
};

// Sets up the logger of the process. `main` calls it once; before that, messages go to standard
// error.
void set_up_logging(const LogOptions& options);

// Appends everything logged from now on to `path` too. Throws IoError.
void add_log_file(const std::filesystem::path& path);

// Thread-safe. The message is shown as printable() makes it, so that nothing in it can command a
// terminal; it can have several lines. A file name in it should be shown(path) (base/text.h).
void log_message(LogLevel level, const std::string& message);

template <class... Arguments>
void log_debug(std::string_view pattern, const Arguments&... arguments) {
  log_message(LogLevel::kDebug, format_text(pattern, arguments...));
}
template <class... Arguments>
void log_info(std::string_view pattern, const Arguments&... arguments) {
  log_message(LogLevel::kInfo, format_text(pattern, arguments...));
}
template <class... Arguments>
void log_warning(std::string_view pattern, const Arguments&... arguments) {
  log_message(LogLevel::kWarning, format_text(pattern, arguments...));
}
template <class... Arguments>
void log_error(std::string_view pattern, const Arguments&... arguments) {
  log_message(LogLevel::kError, format_text(pattern, arguments...));
}

// Whether standard error is a terminal that wants colours (NO_COLOR and TERM=dumb say no).
bool stderr_wants_color();

// "1,234,567" and "1.5 GiB": numbers for people.
std::string with_thousands(long long value);
std::string format_bytes(double bytes);
// "4 s", "3 min 20 s", "5 h 07 min".
std::string format_duration(double seconds);

}  // namespace ddpm
