// Results: their paths on standard output, and the files.
#pragma once

#include <filesystem>

namespace ddpm {

// Prints the path of a result and a line feed. Scripts get its bytes; a terminal gets shown(path)
// (base/text.h), as ls does it.
void print_path(const std::filesystem::path& path);

// For a command that writes one file, before its work begins. Throws ConfigError that names
// --output if there is such a file and it may not be replaced (--overwrite), because earlier
// results may be all that is left of hours of work. Creates the folder of the file, and throws
// IoError if nothing can be written there.
void check_output_file(const std::filesystem::path& file, bool overwrite);

}  // namespace ddpm
