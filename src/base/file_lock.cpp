#include "ddpm/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// "process 123 on myhost".
std::string this_process() {
  return format_text("process {} on {}", static_cast<long long>(::getpid()), host_name());
}

std::string content(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  std::string owner(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner.empty() ? "another process" : owner;
}

// Whether `path` is still the open file: its owner may have removed it after we opened it.
bool is_still(const std::filesystem::path& path, int descriptor) {
  struct stat open {};
  struct stat named {};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

// The locked file; -1 where locks do not exist.
int acquire(const std::filesystem::path& path) {
  while (true) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
      throw IoError("cannot create '" + shown(path) + "': " + std::strerror(errno));
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
      if (is_still(path, descriptor)) return descriptor;
      ::close(descriptor);
      continue;
    }
    const int error = errno;
    const std::string owner = content(descriptor);
    ::close(descriptor);
    if (error == EWOULDBLOCK)
      throw ConfigError(format_text(
          "'{}' is in use: {} writes there. Wait for it to end, stop it, or use another folder",
          shown(path.parent_path()), owner));
    log_warning("'{}' cannot be locked ({}); take care that no other process writes there",
                shown(path.parent_path()), std::strerror(error));
    return -1;
  }
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path) : path_(path), descriptor_(acquire(path)) {
  if (descriptor_ < 0) return;
  const std::string owner = this_process() + "\n";
  // The text is only for people, so that the lock works on a full disk too.
  [[maybe_unused]] const bool told =
      ::ftruncate(descriptor_, 0) == 0 && ::write(descriptor_, owner.data(), owner.size()) > 0;
}

FileLock::FileLock(FileLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ < 0) return;
  if (is_still(path_, descriptor_)) ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace ddpm
