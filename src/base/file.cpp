#include "ddpm/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file_system.h"
#include "ddpm/base/host.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error = errno) {
  throw IoError(what + " '" + shown(path) + "': " + std::strerror(error));
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

void write_file_atomically(const fs::path& path, std::string_view content) {
  FileWriter writer(path);
  writer.write(std::as_bytes(std::span(content)));
  writer.finish();
}

void make_directories(const fs::path& path) {
  std::error_code error;
  if (path.native().starts_with('~') && !fs::exists(*path.begin(), error))
    if (const std::string advice = home_advice(path); !advice.empty())
      throw ConfigError("there is no folder '" + shown(*path.begin()) + "' here to create '" +
                        shown(path) + "' in" + advice);
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
    fail("cannot rename '" + shown(from) + "' to", to);
  sync_directory(to.parent_path());
}

bool exchange_durably(const fs::path& a, const fs::path& b) {
  if (file_system().exchange(a.c_str(), b.c_str()) != 0) {
    if (errno == EINVAL || errno == ENOSYS) return false;
    fail("cannot exchange '" + shown(a) + "' with", b);
  }
  sync_directory(b.parent_path());
  return true;
}

void remove_recursively(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw IoError("cannot remove '" + shown(path) + "': " + error.message());
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
    throw IoError("cannot create '" + shown(path) + "': it exists and is not a regular file");
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

std::uint64_t free_disk_bytes(const fs::path& path) {
  fs::path probe = fs::absolute(path);
  std::error_code error;
  while (!fs::exists(probe, error) && probe.has_parent_path() && probe != probe.parent_path())
    probe = probe.parent_path();
  const fs::space_info space = fs::space(probe, error);
  if (error)
    throw IoError("cannot read the free space at '" + shown(probe) + "': " + error.message());
  return space.available;
}

}  // namespace ddpm
