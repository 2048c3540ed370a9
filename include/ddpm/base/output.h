// Results for standard output.
#pragma once

#include <filesystem>

namespace ddpm {

// Prints the path of a result and a line feed. Scripts get its bytes; a terminal gets shown(path)
// (base/text.h), as ls does it.
void print_path(const std::filesystem::path& path);

}  // namespace ddpm
