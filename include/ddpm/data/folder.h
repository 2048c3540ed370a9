// Image folders: which files belong to the data set, and decoding them on several threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ddpm/image/codec.h"
#include "ddpm/image/image.h"

namespace ddpm {

struct FolderImage {
  std::filesystem::path path;  // relative to the root
  std::int64_t label = -1;     // index of its first-level sub-folder; -1: directly in the root
};

struct ImageFolder {
  std::filesystem::path root;
  std::vector<FolderImage> images;       // sorted by path, bytewise
  std::vector<std::string> class_names;  // first-level sub-folders that hold an image, sorted

  std::filesystem::path full_path(std::size_t index) const { return root / images[index].path; }
};

// Every PNG, JPEG and BMP file below `root`, by extension. Hidden files are left out.
// Throws DataError if the folder is missing, unreadable or holds no image.
ImageFolder list_image_folder(const std::filesystem::path& root);

// One file of the folder. Throw DataError with the reason alone, without the file's name.
ImageInfo read_folder_image_info(const ImageFolder& folder, std::size_t index);
Image read_folder_image(const ImageFolder& folder, std::size_t index);

// A file that cannot be used, and why (without the file's name).
struct BadFile {
  std::filesystem::path path;
  std::string reason;
};

struct WorkOptions {
  int threads = 0;                  // 0: as many as the machine has
  std::function<bool()> stop = {};  // asked often; true ends the work
  // Called often, from the calling thread.
  std::function<void(std::size_t done, std::size_t total)> progress = {};
};

// Calls work(i) for i in [0, count) on several threads, in any order. A DataError is kept as the
// failure of that index; with `stop_at_first`, indices after the lowest failing one may be left
// out, all before it are done, so that which failure comes first does not depend on timing. Any
// other exception is rethrown here. Returns one reason an index, empty for success. Throws
// Error(kInterrupted) if asked to stop.
std::vector<std::string> for_each_index(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first,
                                        const std::function<void(std::size_t)>& work);

}  // namespace ddpm
