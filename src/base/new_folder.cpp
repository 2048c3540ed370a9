#include "ddpm/base/new_folder.h"

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"

namespace ddpm {

NewFolder::NewFolder(const fs::path& path)
    : path_(path.has_filename() ? path : path.parent_path()),
      temporary_(path_.parent_path() / (".writing_" + path_.filename().string())) {
  if (fs::exists(path_) && !(fs::is_directory(path_) && fs::is_empty(path_)))
    throw ConfigError(path_.string() +
                      ": already exists and is not empty; choose another --output, or remove it");
  fs::remove_all(temporary_);
  make_directories(temporary_);
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

fs::path NewFolder::add(const fs::path& name) {
  make_directories((temporary_ / name).parent_path());
  files_.push_back(path_ / name);
  return temporary_ / name;
}

std::vector<fs::path> NewFolder::finish() {
  sync_directory(temporary_);
  std::error_code ignored;
  fs::remove(path_, ignored);  // empty
  rename_durably(temporary_, path_);
  return files_;
}

}  // namespace ddpm
