// Image folders: finds the files of the data set and reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ddpm/base/parallel.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/image.h"

namespace ddpm {

struct FolderImage {
  std::filesystem::path path;  // relative to the root
  std::int64_t label = -1;     // index of its first-level sub-folder; -1: it lies in the root
};

struct ImageFolder {
  std::filesystem::path root;
  std::vector<FolderImage> images;       // sorted by path, bytewise
  std::vector<std::string> class_names;  // first-level sub-folders that hold an image, sorted

  std::filesystem::path full_path(std::size_t index) const { return root / images[index].path; }
};

// Lists every PNG, JPEG and BMP file below `root`, by extension. Hidden files are left out.
// Throws DataError if the folder is missing or unreadable or has no such file.
ImageFolder list_image_folder(const std::filesystem::path& root);

// Both read one file of the folder. They throw DataError with the reason only, without the file's
// name.
ImageInfo read_folder_image_info(const ImageFolder& folder, std::size_t index);
Image read_folder_image(const ImageFolder& folder, std::size_t index);

// A file that cannot be used, and the reason (without the file's name).
struct BadFile {
  std::filesystem::path path;
  std::string reason;
};

// for_each_index (base/parallel.h) over the images of a data set.
std::vector<std::string> for_each_image(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first,
                                        const std::function<void(std::size_t)>& work);

}  // namespace ddpm
