#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/host.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/formats/packed_file.h"
#include "listing.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxLabelFileBytes = std::uint64_t{1} << 28;

[[noreturn]] void refuse_file(const fs::path& file) {
  const std::string name = "'" + shown(file) + "'";
  if (source_of_path(file) != DataSource::kFolder) throw DataError(name + " is not a folder");
  // No source reads it.
  const std::optional<FileInfo> info = file_info(file);
  if (!info || !info->is_file) throw DataError(name + " is neither a folder nor a file");
  if (const std::string advice = unpack_advice(map_file<DataError>(file).bytes(), file);
      !advice.empty())
    throw DataError(name + " is " + advice + ", and name what was in it");
  if (has_image_extension(file))
    throw DataError(name + " is one image; data.path names the folder around it");
  throw DataError(
      name +
      " is neither a folder nor a file with images that can be read (.zip, .tar, .tar.gz, "
      ".npz, .npy, or those of MNIST and CIFAR)");
}

void check_folder(const fs::path& root) {
  if (root.empty()) throw DataError("no image folder is given: set data.path");
  if (!path_exists(root))
    throw DataError("image folder '" + shown(root) + "' does not exist" + home_advice(root));
  if (!is_folder(root)) refuse_file(root);
}

// Sub-folders that may stand for a class, whether or not there is anything in them.
std::set<fs::path> first_level_folders(const fs::path& root,
                                       const std::vector<std::string>& exclude) {
  std::set<fs::path> names;
  for (const fs::path& path : list_folder(root)) {
    const std::string name = path.filename().string();
    if (is_folder(path) && !name.starts_with('.') && name != kLostAndFound &&
        !is_excluded(name, exclude))
      names.insert(name);
  }
  return names;
}

}  // namespace

ImageFiles list_image_folder(const DataConfig& config) {
  const fs::path root = config.path;
  check_folder(root);
  Listing listing(root, /*is_archive=*/false, config.exclude);
  ImageFiles& files = listing.files;
  try {
    for (fs::path& path : list_files_recursively(root)) {
      const Listing::Verdict verdict = listing.judge(path);
      if (verdict == Listing::Verdict::kLabels)
        files.label_files[path.string()] = read_file(root / path, kMaxLabelFileBytes);
      if (verdict == Listing::Verdict::kImage) files.images.push_back({.path = std::move(path)});
    }
  } catch (const IoError& error) {
    blame_file<DataError>(error);
  }
  files.other_folders.merge(first_level_folders(root, config.exclude));
  files.visit = [root](const fs::path& path, const UseBytes& use) {
    use(map_file<DataError>(root / path).bytes());
  };
  return std::move(listing.files);
}

}  // namespace ddpm
