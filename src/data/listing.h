// The sources of image files. Private to this folder.
#pragma once

#include <optional>
#include <string>

#include "ddpm/data/image_files.h"

namespace ddpm {

// EDM's file of labels, and the ending of WebDataset's.
inline constexpr const char* kDatasetFile = "dataset.json";
inline constexpr const char* kClassEnding = ".cls";

// Decides about each file that a source finds, and keeps what becomes of it.
class Listing {
 public:
  Listing(std::filesystem::path root, bool is_archive, const std::vector<std::string>& exclude);

  enum class Verdict { kImage, kLabels, kPassedOver };
  // What a file is, by its path below the root. Counts it if it is passed over.
  Verdict judge(const std::filesystem::path& path);
  // A link in an archive, whose target is not looked for.
  void pass_over_link(const std::filesystem::path& path);

  ImageFiles files;

 private:
  // Whether the file is hidden or excluded; it is then counted as such.
  bool is_ignored(const std::filesystem::path& path);
  void pass_over(const std::filesystem::path& path, const std::string& reason);

  std::vector<std::string> exclude_;
};

// Whether a pattern of data.exclude matches the path: a pattern without '/' one of its parts, another
// one the path or a folder above it.
bool is_excluded(const std::filesystem::path& path, const std::vector<std::string>& patterns);

ImageFiles list_image_folder(const DataConfig& config);
ImageFiles list_image_zip(const DataConfig& config);
ImageFiles list_image_tar(const DataConfig& config);

// WebDataset: "train/000017.jpg" and "train/000017.cls" are one sample, of the key "train/000017"; it
// ends at the first dot of the file name.
std::string sample_key(const std::filesystem::path& path);

// Leaves out all images of a sample but one: that of the plainest name (a.jpg, not a.mask.jpg), the
// first of several. They are counted by what follows the key. Files are samples where others that are
// no images, classes or captions, have the same key.
void keep_one_image_per_sample(ImageFiles& files);

// Gives every image its label and names the classes. Throws DataError if a label is missing.
void label_images(ImageFiles& files, LabelSource source);

}  // namespace ddpm
