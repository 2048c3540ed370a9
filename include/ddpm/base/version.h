// The version of the program, its source code, and the compiler and libraries it was built with.
#pragma once

#include <string>

namespace ddpm {

struct VersionInfo {
  std::string program;  // "0.1.0"
  std::string
      git_revision;      // "1a2b3c4d5e6f", with "-dirty" after local changes; "unknown" outside git
  std::string libtorch;  // "2.11.0+cu130"
  std::string compiler;  // "GCC 12.2.0"
  std::string cuda;      // CUDA version of the linked LibTorch, "13.0"; "no" in a CPU build
};

const VersionInfo& version_info();

}  // namespace ddpm
