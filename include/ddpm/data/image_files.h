// The image files of a data set, wherever they lie: below a folder, or in a zip or tar archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ddpm/base/parallel.h"
#include "ddpm/config/config.h"
#include "ddpm/image/codec.h"
#include "ddpm/image/image.h"

namespace ddpm {

struct ImageFile {
  std::filesystem::path path;  // relative to the folder or archive
  std::int64_t label = -1;     // -1: it has none
};

using UseBytes = std::function<void(std::span<const std::byte>)>;

struct ImageFiles {
  std::filesystem::path root;  // the folder or archive
  bool is_archive = false;
  std::vector<ImageFile> images;              // sorted by path, bytewise
  std::vector<std::string> class_names = {};  // entry i names label i; empty: labels have no names
  // Names of first-level sub-folders, if they are the classes, that hold no image.
  std::vector<std::string> empty_classes = {};
  // Folders in which other files lie, or nothing; if they are to be classes, see empty_classes.
  std::set<std::filesystem::path> other_folders = {};
  // How many files are no images of the data set, by reason: ".gif", "hidden",
  // "linked" for links in archives, "replaced" by a later one of the same name.
  std::map<std::string, std::int64_t> passed_over = {};
  // Files that give labels (config's LabelSource::kFile), by path, with their content.
  std::map<std::string, std::string> label_files = {};
  // Keys (sample_key) of a tar archive's other files that are called KEY.EXTENSION, as captions
  // are.
  std::set<std::string> sample_keys = {};
  // Calls use(bytes) with the content of the image at `path`, whichever thread asks. Throws
  // DataError with the reason only, without the file's name.
  std::function<void(const std::filesystem::path& path, const UseBytes& use)> visit = {};

  // "photos/cats/1.png"; in an archive "photos.zip: cats/1.png". To be shown by printable().
  std::string full_name(std::size_t index) const;
};

// Lists the images of a source that has image files (folder, zip, tar), with their labels. An image
// is a file with an extension of kImageExtensions; hidden files and those of data.exclude are
// passed over. Throws DataError if there is none, the source cannot be read, or labels that were
// asked for are missing.
ImageFiles find_image_files(const DataConfig& config);

// The reasons for which files were passed over, as one text: "3 .gif files, 1 hidden file"; empty
// if there are none.
std::string passed_over_text(const ImageFiles& files);

// Both read one image of the data set, as data.orientation says. They throw DataError with the
// reason only, without the file's name.
ImageInfo read_info(const ImageFiles& files, std::size_t index, Orientation orientation);
Image read_image(const ImageFiles& files, std::size_t index, Orientation orientation);

// A file that cannot be used, and the reason (without the file's name).
struct BadFile {
  std::string name;  // as ImageFiles::full_name
  std::string reason;
};

// for_each_index (base/parallel.h) over the images of a data set.
std::vector<std::string> for_each_image(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first,
                                        const std::function<void(std::size_t)>& work);

}  // namespace ddpm
