// One process at a time: a lock that the kernel releases when its owner ends, however it ends.
#pragma once

#include <filesystem>

namespace ddpm {

// Holds the lock file `path`, which says who has it. The file of a dead process is no obstacle:
// what counts is the kernel's lock (flock(2)) on it, which died with the process. Where the file
// system has no such locks a warning is logged and nothing is locked.
class FileLock {
 public:
  // Creates the file if it is missing; its folder exists. Throws ConfigError, naming the owner, if
  // another process has the lock; IoError if the file cannot be made.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();  // removes the file
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  std::filesystem::path path_;
  int descriptor_;  // -1: nothing is held
};

}  // namespace ddpm
