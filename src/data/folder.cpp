#include "ddpm/data/folder.h"

#include <set>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/host.h"
#include "ddpm/base/text.h"
#include "ddpm/image/codec.h"

namespace ddpm {
namespace {

// "cats" for "cats/young/1.png"; empty for a file that lies directly in the root.
std::string class_of(const fs::path& relative) {
  return relative.has_parent_path() ? relative.begin()->string() : "";
}

template <typename Use>
auto with_file(const fs::path& path, Use use) {
  try {
    return use(MappedFile(path).bytes());
  } catch (const IoError& error) {
    blame_file<DataError>(error);
  }
}

}  // namespace

ImageFolder list_image_folder(const fs::path& root) {
  if (root.empty()) throw DataError("no image folder is given: set data.path");
  if (!path_exists(root))
    throw DataError("image folder '" + shown(root) + "' does not exist" + home_advice(root));
  if (!is_folder(root)) throw DataError("'" + shown(root) + "' is not a folder");
  ImageFolder folder{.root = root, .images = {}, .class_names = {}};
  std::set<std::string> classes;
  try {
    for (fs::path& path : list_files_recursively(root))
      if (has_image_extension(path)) folder.images.push_back({.path = std::move(path)});
  } catch (const IoError& io_error) {
    blame_file<DataError>(io_error);
  }
  if (folder.images.empty())
    throw DataError("image folder '" + shown(root) + "' has no .png, .jpg, .jpeg or .bmp file");
  for (const FolderImage& image : folder.images)
    if (const std::string name = class_of(image.path); !name.empty()) classes.insert(name);
  folder.class_names.assign(classes.begin(), classes.end());
  for (FolderImage& image : folder.images)
    if (const std::string name = class_of(image.path); !name.empty())
      image.label = std::distance(classes.begin(), classes.find(name));
  return folder;
}

ImageInfo read_folder_image_info(const ImageFolder& folder, std::size_t index) {
  return with_file(folder.full_path(index), [](auto bytes) { return read_image_info(bytes, ""); });
}

Image read_folder_image(const ImageFolder& folder, std::size_t index) {
  return with_file(folder.full_path(index), [](auto bytes) { return decode_image(bytes, ""); });
}

std::vector<std::string> for_each_image(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first,
                                        const std::function<void(std::size_t)>& work) {
  return for_each_index(count, options, stop_at_first, "the images were being read", work);
}

}  // namespace ddpm
