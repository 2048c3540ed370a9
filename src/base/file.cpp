#include "ddpm/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file_system.h"

namespace ddpm {
namespace {

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error = errno) {
  throw IoError(what + " '" + path.string() + "': " + std::strerror(error));
}

// write(2) may write less than asked or be interrupted by a signal.
void write_all(int descriptor, const fs::path& path, const void* data, std::size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = file_system().write(descriptor, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", path);
    next += written;
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const int descriptor = file_system().open(path.c_str(), O_RDONLY);
  if (descriptor < 0) fail("cannot open", path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw IoError("cannot read '" + path.string() + "': not a regular file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    ::close(descriptor);
    throw IoError("cannot read '" + path.string() + "': " + std::to_string(size) +
                  " bytes are more than the " + std::to_string(max_bytes) + " allowed here");
  }
  std::string content(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(descriptor, content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  const int error = errno;
  ::close(descriptor);
  if (done < size) fail("cannot read", path, error != 0 ? error : EIO);
  return content;
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  FileWriter writer(path);
  writer.write(std::as_bytes(std::span(content)));
  writer.finish();
}

void make_directories(const fs::path& path) {
  std::error_code error;
  std::vector<fs::path> missing;  // the innermost folder first
  for (fs::path at = path; !at.empty() && !fs::exists(at, error); at = at.parent_path())
    missing.push_back(at);
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    if (file_system().make_directory(at->c_str()) == 0)
      sync_directory(at->parent_path());
    else if (errno != EEXIST)  // it exists: another process made it, or the path ends with a slash
      fail("cannot create folder", path);
  }
  if (!fs::is_directory(path, error)) fail("cannot create folder", path, ENOTDIR);
}

void sync_directory(const fs::path& path) {
  const fs::path folder = path.empty() ? fs::path(".") : path;
  const int descriptor = file_system().open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0 && errno == EACCES) return;  // the folder may be written but not read
  if (descriptor < 0) fail("cannot open folder", folder);
  const int result = file_system().sync(descriptor);
  const int error = errno;
  file_system().close(descriptor);
  // Some file systems (network, FUSE) cannot sync folders; there is nothing else to try there.
  if (result != 0 && error != EINVAL) fail("cannot sync folder", folder, error);
}

void rename_durably(const fs::path& from, const fs::path& to) {
  if (file_system().rename(from.c_str(), to.c_str()) != 0)
    fail("cannot rename '" + from.string() + "' to", to);
  sync_directory(to.parent_path());
}

bool exchange_durably(const fs::path& a, const fs::path& b) {
  if (file_system().exchange(a.c_str(), b.c_str()) != 0) {
    if (errno == EINVAL || errno == ENOSYS) return false;
    fail("cannot exchange '" + a.string() + "' with", b);
  }
  sync_directory(b.parent_path());
  return true;
}

void remove_recursively(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw IoError("cannot remove '" + path.string() + "': " + error.message());
}

AppendedFile::AppendedFile(const fs::path& path)
    : path_(path), descriptor_(file_system().open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND)) {
  if (descriptor_ < 0) fail("cannot open", path);
}

AppendedFile::~AppendedFile() { file_system().close(descriptor_); }

void AppendedFile::append(std::string_view bytes) {
  write_all(descriptor_, path_, bytes.data(), bytes.size());
}

void AppendedFile::sync() {
  if (file_system().sync(descriptor_) != 0) fail("cannot sync", path_);
}

void LineWriter::append(std::string_view line) {
  // If the last write failed in the middle of a line, this line must not be joined to that rest.
  const std::string text = (torn_ ? "\n" : "") + std::string(line) + "\n";
  torn_ = true;
  file_.append(text);
  torn_ = false;
}

namespace {

// A rename cannot replace a folder, but it can replace a device: root could overwrite /dev/null.
const fs::path& replaceable(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    throw IoError("cannot create '" + path.string() + "': it exists and is not a regular file");
  return path;
}

}  // namespace

FileWriter::FileWriter(const fs::path& path)
    : path_(replaceable(path)),
      temporary_(path.string() + ".tmp"),
      descriptor_(file_system().open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC)) {
  if (descriptor_ < 0) fail("cannot create", path);
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) file_system().close(descriptor_);
  if (!finished_) ::unlink(temporary_.c_str());
}

void FileWriter::write(std::span<const std::byte> bytes) {
  write_all(descriptor_, path_, bytes.data(), bytes.size());
}

void FileWriter::finish() {
  if (file_system().sync(descriptor_) != 0) fail("cannot sync", path_);
  if (file_system().close(std::exchange(descriptor_, -1)) != 0) fail("cannot close", path_);
  rename_durably(temporary_, path_);
  finished_ = true;
}

MappedFile::MappedFile(const fs::path& path) {
  const int descriptor = file_system().open(path.c_str(), O_RDONLY);
  if (descriptor < 0) fail("cannot open", path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw IoError("cannot read '" + path.string() + "': not a regular file");
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* address =
      size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0) : nullptr;
  const int error = errno;
  ::close(descriptor);
  if (address == MAP_FAILED) fail("cannot map", path, error);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

std::vector<fs::path> list_files_recursively(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::follow_directory_symlink,
                                      error);
  if (error) throw IoError("cannot list folder '" + folder.string() + "': " + error.message());
  constexpr int kMaxDepth = 32;  // image folders are less deep
  // The folders from `folder` down to the one being listed; a link back to one of them is a loop.
  std::vector<fs::path> above = {fs::canonical(folder, error)};
  while (it != fs::recursive_directory_iterator()) {
    const bool hidden = it->path().filename().string().starts_with('.');
    if (it->is_directory(error)) {
      above.resize(static_cast<std::size_t>(it.depth()) + 1);
      const fs::path target = fs::canonical(it->path(), error);
      const bool loop = std::find(above.begin(), above.end(), target) != above.end();
      if (hidden || loop || it.depth() >= kMaxDepth) it.disable_recursion_pending();
      above.push_back(target);
    } else if (!hidden && it->is_regular_file(error)) {
      files.push_back(it->path().lexically_relative(folder));
    }
    it.increment(error);
    if (error) throw IoError("cannot list folder '" + folder.string() + "': " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::uint64_t free_disk_bytes(const fs::path& path) {
  fs::path probe = fs::absolute(path);
  std::error_code error;
  while (!fs::exists(probe, error) && probe.has_parent_path() && probe != probe.parent_path())
    probe = probe.parent_path();
  const fs::space_info space = fs::space(probe, error);
  if (error)
    throw IoError("cannot read the free space at '" + probe.string() + "': " + error.message());
  return space.available;
}

}  // namespace ddpm
