#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "listing.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxLabelFileBytes = std::uint64_t{1} << 28;

void check_folder(const fs::path& root) {
  std::error_code error;
  if (root.empty()) throw DataError("no image folder is given: set data.path");
  if (!fs::exists(root, error))
    throw DataError("image folder '" + root.string() + "' does not exist");
  if (!fs::is_directory(root, error)) throw DataError("'" + root.string() + "' is not a folder");
}

// Sub-folders that may stand for a class, whether or not there is anything in them.
std::set<fs::path> first_level_folders(const fs::path& root,
                                       const std::vector<std::string>& exclude) {
  std::set<fs::path> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error) && !name.starts_with('.') && !is_excluded(name, exclude))
      names.insert(name);
  }
  return names;
}

}  // namespace

ImageFiles list_folder(const DataConfig& config) {
  const fs::path root = config.path;
  check_folder(root);
  Listing listing(root, /*is_archive=*/false, config.exclude);
  ImageFiles& files = listing.files;
  try {
    for (fs::path& path : list_files_recursively(root)) switch (listing.judge(path)) {
        case Listing::Verdict::kImage:
          files.images.push_back({.path = std::move(path)});
          break;
        case Listing::Verdict::kLabels:
          files.label_files[path.string()] = read_file(root / path, kMaxLabelFileBytes);
          break;
        case Listing::Verdict::kPassedOver:
          break;
      }
  } catch (const IoError& error) {
    throw DataError(error.what());
  }
  files.other_folders.merge(first_level_folders(root, config.exclude));
  files.visit = [root, paths = files.images](std::size_t index, const UseBytes& use) {
    try {
      use(MappedFile(root / paths[index].path).bytes());
    } catch (const IoError& error) {
      throw DataError(error.what());
    }
  };
  return std::move(listing.files);
}

}  // namespace ddpm
