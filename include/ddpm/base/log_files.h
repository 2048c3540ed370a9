// Who gets which messages: log files some that nobody wants to see now, and of several processes that do one job, the
// first process.
#pragma once

#include <string>

namespace ddpm {

// Writes the message, as one of level info, to the files of --log-file and add_log_file
// (base/log.h), not to standard error. Thread-safe.
void log_to_files(const std::string& message);

// From now on only warnings and errors of this process are shown, each after `name` ("rank 3: "), on standard
// error alone.
void log_warnings_of(const std::string& name);

}  // namespace ddpm
