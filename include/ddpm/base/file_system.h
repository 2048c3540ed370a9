// The system calls by which the program changes files, behind one small interface, so that tests
// can let the n-th of them fail and see what is left (as leveldb's tests do). Everyone else uses
// file.h.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace ddpm {

// Each function is the system call of its name: it returns what that returns, -1 with errno set on
// failure. Used from several threads at once.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // open(2) with O_CLOEXEC; files that it creates get mode 0644 less the umask.
  virtual int open(const char* path, int flags);
  virtual ssize_t write(int descriptor, const void* data, std::size_t size);
  virtual int sync(int descriptor);  // fsync(2)
  virtual int close(int descriptor);
  virtual int make_directory(const char* path);  // mkdir(2), mode 0777 less the umask
  virtual int rename(const char* from, const char* to);
  // Swaps what two names stand for at once. EINVAL or ENOSYS where the file system cannot.
  virtual int exchange(const char* a, const char* b);
};

// What file.h works with: the system's, unless a test put another in its place.
FileSystem& file_system() noexcept;

// Puts `other` in place of the system's while this object lives. For tests.
class ReplaceFileSystem {
 public:
  explicit ReplaceFileSystem(FileSystem& other) noexcept;
  ~ReplaceFileSystem();
  ReplaceFileSystem(const ReplaceFileSystem&) = delete;
  ReplaceFileSystem& operator=(const ReplaceFileSystem&) = delete;
};

}  // namespace ddpm
