// The system calls by which the program changes files, behind one small interface. Tests let the
// n-th call fail and look at what is left (as leveldb's tests do). All other code uses file.h.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>

namespace ddpm {

// Each function makes the system call of its name and returns its result: -1 with errno set on
// failure. Several threads call them at once.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // open(2) with O_CLOEXEC; files that it creates get mode 0644 less the umask.
  virtual int open(const char* path, int flags);
  virtual ssize_t read(int descriptor, void* data, std::size_t size);
  virtual int status(const char* path, struct stat* result);  // stat(2): links are followed
  virtual ssize_t write(int descriptor, const void* data, std::size_t size);
  virtual int sync(int descriptor);  // fsync(2)
  virtual int close(int descriptor);
  virtual int make_directory(const char* path);  // mkdir(2), mode 0777 less the umask
  virtual int rename(const char* from, const char* to);
  // Swaps two names at once. Fails with EINVAL or ENOSYS where the file system cannot do that.
  virtual int exchange(const char* a, const char* b);
};

// The file system that file.h uses: the real one, unless a test has replaced it.
FileSystem& file_system() noexcept;

// Replaces the real file system by `other` while this object lives. For tests.
class ReplaceFileSystem {
 public:
  explicit ReplaceFileSystem(FileSystem& other) noexcept;
  ~ReplaceFileSystem();
  ReplaceFileSystem(const ReplaceFileSystem&) = delete;
  ReplaceFileSystem& operator=(const ReplaceFileSystem&) = delete;
};

}  // namespace ddpm
