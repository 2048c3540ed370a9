#include "ddpm/data/image_files.h"

#include <fnmatch.h>

#include <algorithm>
#include <stdexcept>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "listing.h"

namespace ddpm {
namespace {

bool is_hidden(const fs::path& path) {
  return std::any_of(path.begin(), path.end(),
                     [](const fs::path& part) { return part.string().starts_with('.'); });
}

ImageFiles list_source(const DataConfig& config) {
  switch (config.source) {
    case DataSource::kFolder:
      return list_image_folder(config);
    case DataSource::kZip:
      return list_image_zip(config);
    case DataSource::kTar:
      return list_image_tar(config);
    case DataSource::kEmbedded:
    case DataSource::kNpz:
    case DataSource::kIdx:
    case DataSource::kCifar10:
    case DataSource::kCifar100:
    case DataSource::kLatents:
      break;
  }
  throw std::invalid_argument("this source of data has no image files");
}

// What to do with a folder that holds the parts of a data set instead of images; begins with ". ", or
// is empty.
std::string advice_for_shards(const ImageFiles& files) {
  const std::string root =
      shown(files.root.filename().empty() ? files.root.parent_path() : files.root);
  const auto has = [&](const char* ending) { return files.passed_over.contains(ending); };
  if (files.is_archive) return "";
  if (has(".tar"))
    return format_text(". Join its archives to one that is read: cat {}/*.tar > {}.tar", root,
                       root);
  if (has(".tgz"))
    return format_text(". Join its archives to one that is read: cat {}/*.tgz > {}.tgz", root,
                       root);
  if (has(".zip")) return format_text(". Unpack its archives: unzip '{}/*.zip' -d {}", root, root);
  if (has(".parquet") || has(".arrow"))
    return format_text(
        ". Save the images of its tables as files; in Python: for i, row in enumerate(datasets."
        "load_dataset('{}', split='train')): row['image'].save(f'images/{{i:08}}.png')",
        root);
  return "";
}

[[noreturn]] void refuse_empty(const ImageFiles& files) {
  std::vector<std::string> extensions(kImageExtensions.begin(), kImageExtensions.end());
  const std::string others = passed_over_text(files);
  throw DataError(
      format_text("'{}' has no {} file{}{}", shown(files.root), join(extensions, ", ", " or "),
                  others.empty() ? "" : "; passed over: " + others, advice_for_shards(files)));
}

}  // namespace

std::string ImageFiles::full_name(std::size_t index) const {
  const fs::path& path = images[index].path;
  return is_archive ? root.string() + ": " + path.string() : (root / path).string();
}

bool is_excluded(const fs::path& path, const std::vector<std::string>& patterns) {
  const auto matches = [&](const std::string& pattern) {
    if (pattern.find('/') != std::string::npos)
      return ::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_LEADING_DIR) == 0;
    return std::any_of(path.begin(), path.end(), [&](const fs::path& part) {
      return ::fnmatch(pattern.c_str(), part.c_str(), 0) == 0;
    });
  };
  return std::ranges::any_of(patterns, matches);
}

Listing::Listing(fs::path root, bool is_archive, const std::vector<std::string>& exclude)
    : files{.root = std::move(root), .is_archive = is_archive, .images = {}}, exclude_(exclude) {}

Listing::Verdict Listing::judge(const fs::path& path) {
  if (is_ignored(path)) return Verdict::kPassedOver;
  if (path.filename() == kDatasetFile || path.extension() == kClassEnding) return Verdict::kLabels;
  if (has_image_extension(path)) return Verdict::kImage;
  const std::string extension = lower_case(path.extension().string());
  pass_over(path, extension.empty() ? "extensionless" : printable(extension));
  return Verdict::kPassedOver;
}

void Listing::pass_over_link(const fs::path& path) {
  if (!is_ignored(path)) pass_over(path, "linked");
}

bool Listing::is_ignored(const fs::path& path) {
  const bool excluded = is_excluded(path, exclude_);
  if (!excluded && !is_hidden(path)) return false;
  ++files.passed_over[excluded ? "excluded" : "hidden"];
  return true;
}

void Listing::pass_over(const fs::path& path, const std::string& reason) {
  ++files.passed_over[reason];
  files.other_folders.insert(path.parent_path());
}

ImageFiles find_image_files(const DataConfig& config) {
  ImageFiles files = list_source(config);
  if (files.images.empty()) refuse_empty(files);
  keep_one_image_per_sample(files);
  label_images(files, config.labels);
  return files;
}

std::string passed_over_text(const ImageFiles& files) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : files.passed_over)
    parts.push_back(format_text("{} {} file{}", count, reason, count == 1 ? "" : "s"));
  return join(parts, ", ");
}

ImageInfo read_info(const ImageFiles& files, std::size_t index, Orientation orientation) {
  ImageInfo info;
  files.visit(files.images[index].path, [&](auto bytes) {
    info = read_image_info(bytes, "", orientation == Orientation::kExif);
  });
  return info;
}

Image read_image(const ImageFiles& files, std::size_t index, Orientation orientation) {
  Image image;
  files.visit(files.images[index].path, [&](auto bytes) {
    image = decode_image(bytes, "", orientation == Orientation::kExif);
  });
  return image;
}

std::vector<std::string> for_each_image(std::size_t count, const WorkOptions& options,
                                        bool stop_at_first,
                                        const std::function<void(std::size_t)>& work) {
  return for_each_index(count, options, stop_at_first, "the images were being read", work);
}

}  // namespace ddpm
