#include "ddpm/base/version.h"

// DDPM_VERSION, DDPM_LIBTORCH_VERSION and DDPM_CUDA_VERSION come from src/CMakeLists.txt. The
// revision comes from a generated header, so that a commit recompiles this file alone.
#include "git_revision.h"

namespace ddpm {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return std::string("Clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("GCC ") + __VERSION__;
#else
  return "unknown";
#endif
}

}  // namespace

const VersionInfo& version_info() {
  static const VersionInfo info{
      .program = DDPM_VERSION,
      .git_revision = DDPM_GIT_REVISION,
      .libtorch = DDPM_LIBTORCH_VERSION,
      .compiler = compiler_name(),
      .cuda = DDPM_CUDA_VERSION,
  };
  return info;
}

}  // namespace ddpm
