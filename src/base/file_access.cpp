#include "file_access.h"

#include <cerrno>
#include <cstring>

#include "ddpm/base/error.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// What a person can do about it; begins with "; ", or is empty.
std::string advice(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "; ask its owner, or change its permissions and those of the folders above it (chmod)";
    case ESTALE:
      return "; the file server has replaced it: try again, or mount its file system again";
    case EIO:
      return "; the disk or the file server fails: look into the system's log (dmesg), then try "
             "again";
    case EMFILE:
    case ENFILE:
      return "; raise the limit with ulimit -n";
    default:
      return "";
  }
}

}  // namespace

bool means_missing(int error) noexcept {
  return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP;
}

void fail_to_access(const std::string& what, const std::filesystem::path& path, int error) {
  const std::string message =
      what + " '" + shown(path) + "': " + std::strerror(error) + advice(error);
  // The others of these are what sockets and devices answer.
  if (means_missing(error) || error == ENXIO || error == ENODEV) throw IoError(message);
  throw AccessError(message);
}

}  // namespace ddpm
