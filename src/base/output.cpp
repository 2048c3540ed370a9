#include "ddpm/base/output.h"

#include <unistd.h>

#include <cstdio>

#include "ddpm/base/text.h"

namespace ddpm {

void print_path(const std::filesystem::path& path) {
  const bool on_terminal = ::isatty(STDOUT_FILENO) == 1;
  std::puts(on_terminal ? shown(path).c_str() : path.c_str());
}

}  // namespace ddpm
