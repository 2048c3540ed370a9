#include "ddpm/base/output.h"

#include <unistd.h>

#include <cstdio>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/text.h"

namespace ddpm {

void print_path(const std::filesystem::path& path) {
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  std::puts(on_terminal ? shown(path).c_str() : path.c_str());
}

void check_output_file(const std::filesystem::path& file, bool overwrite) {
  const std::optional<FileInfo> old = file_info(file);
  if (old && old->is_file && !overwrite)
    throw ConfigError("--output: '" + shown(file) +
                      "' exists already; choose another name, or replace it with --overwrite");
  if (file.has_parent_path()) make_directories(file.parent_path());
  const FileWriter probe(file);
}

}  // namespace ddpm
