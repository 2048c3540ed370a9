// The part of file.h that reads.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/file_system.h"
#include "ddpm/base/text.h"
#include "file_access.h"

namespace ddpm {
namespace {

// A regular file that is open for reading.
class OpenFile {
 public:
  explicit OpenFile(const fs::path& path)
      : path_(path), descriptor_(file_system().open(path.c_str(), O_RDONLY)) {
    if (descriptor_ < 0) fail_to_access("cannot open", path, errno);
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
      const int error = errno;
      ::close(descriptor_);
      fail_to_access("cannot read", path, error);
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (S_ISREG(status.st_mode)) return;
    ::close(descriptor_);
    throw IoError("cannot read '" + shown(path) + "': not a regular file");
  }
  ~OpenFile() { ::close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::uint64_t size() const { return size_; }

  // Returns the number of bytes read, which is less than asked only at the end of the file.
  std::size_t read(void* data, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          file_system().read(descriptor_, static_cast<char*>(data) + done, size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_to_access("cannot read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  const fs::path& path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::optional<FileInfo> file_info(const fs::path& path) {
  struct stat status {};
  if (file_system().status(path.c_str(), &status) != 0) {
    if (means_missing(errno)) return std::nullopt;
    fail_to_access("cannot look at", path, errno);
  }
  const auto since_epoch = std::chrono::seconds(status.st_mtim.tv_sec) +
                           std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return FileInfo{
      .is_file = S_ISREG(status.st_mode),
      .is_folder = S_ISDIR(status.st_mode),
      .bytes = static_cast<std::uint64_t>(status.st_size),
      .modified = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch))};
}

bool path_exists(const fs::path& path) { return file_info(path).has_value(); }

bool is_folder(const fs::path& path) {
  const std::optional<FileInfo> info = file_info(path);
  return info && info->is_folder;
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const OpenFile file(path);
  if (file.size() > max_bytes)
    throw IoError("cannot read '" + shown(path) + "': " + std::to_string(file.size()) +
                  " bytes are more than the " + std::to_string(max_bytes) + " allowed here");
  std::string content(file.size(), '\0');
  if (file.read(content.data(), content.size()) < content.size())
    throw IoError("cannot read '" + shown(path) + "': it became shorter in the meantime");
  return content;
}

void for_each_part(const fs::path& path,
                   const std::function<void(std::span<const std::byte>)>& use) {
  const OpenFile file(path);
  std::vector<std::byte> part(std::size_t{1} << 20);
  while (const std::size_t size = file.read(part.data(), part.size()))
    use(std::span(part).first(size));
}

MappedFile::MappedFile(const fs::path& path) {
  const OpenFile file(path);
  size_ = static_cast<std::size_t>(file.size());
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address == MAP_FAILED) fail_to_access("cannot map", path, errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace ddpm
