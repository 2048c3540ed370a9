// A lock that one process at a time can hold. The kernel releases it when its owner ends.
#pragma once

#include <filesystem>

namespace ddpm {

// Holds the lock file `path`, which says who has it. The file that a dead process left behind does
// no harm: the lock is the kernel's (flock(2)) and ended with the process. Where the file system
// has no such locks, a warning is logged and nothing is locked.
class FileLock {
 public:
  // Creates the file if it is missing; its folder must exist. Throws ConfigError, naming the owner,
  // if another process has the lock; IoError if the file cannot be made.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();  // removes the file
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  std::filesystem::path path_;
  int descriptor_;  // -1: nothing is held
};

}  // namespace ddpm
