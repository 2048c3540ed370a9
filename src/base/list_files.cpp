// The part of file.h that lists folders.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/file_system.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "file_access.h"

namespace ddpm {
namespace {

constexpr const char* kList = "cannot list folder";

struct Entry {
  std::string name;
  unsigned char type;  // DT_REG, DT_DIR, ..., or DT_UNKNOWN
};

std::vector<Entry> read_entries(const fs::path& folder) {
  const int descriptor = file_system().open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) fail_to_access(kList, folder, errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor), ::closedir);
  if (!stream) {
    const int error = errno;
    ::close(descriptor);
    fail_to_access(kList, folder, error);
  }
  std::vector<Entry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) fail_to_access(kList, folder, errno);
    if (entry == nullptr) return entries;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({name, entry->d_type});
  }
}

// The search of list_files_recursively.
class FileSearch {
 public:
  explicit FileSearch(const fs::path& root) : root_(root) {}

  std::vector<fs::path> run() {
    visit({});
    std::sort(files_.begin(), files_.end());
    if (!lost_.empty())
      log_warning(
          "passed over '{}'{}: a link that leads nowhere or back to a folder above it, or a folder more "
          "than {} levels deep",
          shown(root_ / *std::ranges::min_element(lost_)),
          lost_.size() > 1 ? format_text(" and {} more like it", lost_.size() - 1) : "", kMaxDepth);
    return std::move(files_);
  }

 private:
  static constexpr std::size_t kMaxDepth = 32;  // image folders are less deep

  // `relative`: a folder below the root.
  void visit(const fs::path& relative) {
    std::error_code gone;
    const fs::path target = fs::canonical(root_ / relative, gone);
    // A link back to a folder above is a loop.
    if (above_.size() > kMaxDepth || std::ranges::find(above_, target) != above_.end())
      return lost_.push_back(relative);
    const std::vector<Entry> entries = read_entries(root_ / relative);
    above_.push_back(target);
    for (const Entry& entry : entries)
      if (!entry.name.starts_with('.')) add(relative / entry.name, entry.type);
    above_.pop_back();
  }

  void add(const fs::path& relative, unsigned char type) {
    if (type == DT_REG) return files_.push_back(relative);
    std::optional<FileInfo> info;
    if (type == DT_LNK || type == DT_UNKNOWN) info = file_info(root_ / relative);
    if (info && info->is_file) return files_.push_back(relative);
    if (type == DT_LNK && !info) return lost_.push_back(relative);
    if (type != DT_DIR && !(info && info->is_folder)) return;
    if (relative.filename() == kLostAndFound)
      return log_info("passed over '{}', where the file system keeps fragments",
                      shown(root_ / relative));
    visit(relative);
  }

  const fs::path& root_;
  std::vector<fs::path> files_;
  std::vector<fs::path> lost_;   // behind which there may be files that the user expects
  std::vector<fs::path> above_;  // the real paths of the folders from the root down to here
};

}  // namespace

std::vector<fs::path> list_folder(const fs::path& folder) {
  std::vector<fs::path> paths;
  try {
    for (const Entry& entry : read_entries(folder)) paths.push_back(folder / entry.name);
  } catch (const AccessError&) {
    throw;
  } catch (const IoError&) {  // there is none
    return {};
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> list_files_recursively(const fs::path& folder) {
  return FileSearch(folder).run();
}

}  // namespace ddpm
