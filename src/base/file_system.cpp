#include "ddpm/base/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

namespace ddpm {
namespace {

std::atomic<FileSystem*> replacement = nullptr;

}  // namespace

int FileSystem::open(const char* path, int flags) { return ::open(path, flags | O_CLOEXEC, 0644); }

ssize_t FileSystem::read(int descriptor, void* data, std::size_t size) {
  return ::read(descriptor, data, size);
}

int FileSystem::status(const char* path, struct stat* result) { return ::stat(path, result); }

ssize_t FileSystem::write(int descriptor, const void* data, std::size_t size) {
  return ::write(descriptor, data, size);
}

int FileSystem::sync(int descriptor) { return ::fsync(descriptor); }

int FileSystem::close(int descriptor) { return ::close(descriptor); }

int FileSystem::make_directory(const char* path) { return ::mkdir(path, 0777); }

int FileSystem::rename(const char* from, const char* to) { return ::rename(from, to); }

int FileSystem::exchange([[maybe_unused]] const char* a, [[maybe_unused]] const char* b) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
#else
  errno = ENOSYS;
  return -1;
#endif
}

FileSystem& file_system() noexcept {
  static FileSystem real;
  FileSystem* other = replacement;
  return other != nullptr ? *other : real;
}

ReplaceFileSystem::ReplaceFileSystem(FileSystem& other) noexcept { replacement = &other; }

ReplaceFileSystem::~ReplaceFileSystem() { replacement = nullptr; }

}  // namespace ddpm
