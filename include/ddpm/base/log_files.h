// Messages for log files alone: what a reader of a log may need later and nobody wants to see now.
#pragma once

#include <string>

namespace ddpm {

// Writes the message, as one of level info, to the files of --log-file and add_log_file
// (base/log.h), not to standard error. Thread-safe.
void log_to_files(const std::string& message);

}  // namespace ddpm
