#include "ddpm/data/load_files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/data/cache.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/image_files.h"

namespace ddpm {
namespace {

// Reads the headers of all files. One that cannot be read keeps size 0; decoding reports it later.
std::vector<ImageInfo> read_infos(const ImageFiles& files, Orientation orientation,
                                  const WorkOptions& options) {
  std::vector<ImageInfo> infos(files.images.size());
  const WorkOptions quiet{.threads = options.threads, .stop = options.stop, .progress = {}};
  for_each_image(infos.size(), quiet, /*stop_at_first=*/false,
                 [&](std::size_t i) { infos[i] = read_info(files, i, orientation); });
  return infos;
}

std::string describe(const ImageFiles& files, std::size_t index, const ImageInfo& info) {
  return "'" + printable(files.full_name(index)) + "' has " + std::to_string(info.width) + "x" +
         std::to_string(info.height) + " pixels (width x height)";
}

// The common size of all images. If sizes differ, throws DataError that names two images.
ImageInfo common_size(const ImageFiles& files, const std::vector<ImageInfo>& infos) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].height == 0) continue;
    if (!first) first = i;
    if (infos[i].height != infos[*first].height || infos[i].width != infos[*first].width)
      throw DataError("images differ in size: " + describe(files, *first, infos[*first]) + ", " +
                      describe(files, i, infos[i]) + ". Set data.height and data.width.");
  }
  // If no header could be read, any size will do: decoding then finds out why.
  return first ? infos[*first] : ImageInfo{.height = 1, .width = 1, .channels = 1};
}

StoreShape shape_of(const ImageFiles& files, const DataConfig& config, const WorkOptions& options) {
  ImageInfo natural;
  if (keeps_natural_size(config) || config.channels == 0) {
    const std::vector<ImageInfo> infos = read_infos(files, config.orientation, options);
    if (keeps_natural_size(config)) natural = common_size(files, infos);
    const auto has_color = [](const ImageInfo& info) { return info.channels >= 3; };
    natural.channels = std::any_of(infos.begin(), infos.end(), has_color) ? 3 : 1;
  }
  return resolve_shape(config, natural.height, natural.width, natural.channels);
}

[[noreturn]] void fail_for_bad_image(const std::string& name, const std::string& reason) {
  throw DataError("image '" + name + "' cannot be used: " + reason +
                  ". Remove it or set data.on_bad_image to \"skip\"; `ddpm inspect --data` lists "
                  "all such files.");
}

// Moves the usable images together. Throws or warns because of the others.
void drop_bad_images(const ImageFiles& files, const std::vector<std::string>& reasons, bool skip,
                     std::size_t image_bytes, std::vector<std::uint8_t>& pixels,
                     std::vector<std::int64_t>& labels) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (!reasons[i].empty()) {
      if (!skip) fail_for_bad_image(printable(files.full_name(i)), reasons[i]);
      log_warning("skipped image {}: {}", printable(files.full_name(i)), reasons[i]);
      continue;
    }
    if (kept != i) {
      const auto at = [&](std::size_t k) {
        return pixels.begin() + static_cast<std::ptrdiff_t>(k * image_bytes);
      };
      std::copy(at(i), at(i + 1), at(kept));
    }
    labels[kept++] = files.images[i].label;
  }
  if (kept == 0) throw DataError("no image in '" + shown(files.root) + "' can be used");
  pixels.resize(kept * image_bytes);
  labels.resize(kept);
}

// Folders that should be classes: those without an image, and those of whose images none can be used.
std::vector<std::string> classes_without_image(const ImageFiles& files,
                                               const std::vector<std::int64_t>& labels) {
  std::vector<bool> has_image(files.class_names.size());
  for (const std::int64_t label : labels)
    if (label >= 0 && static_cast<std::size_t>(label) < has_image.size())
      has_image[static_cast<std::size_t>(label)] = true;
  std::vector<std::string> names = files.empty_classes;
  for (std::size_t i = 0; i < has_image.size(); ++i)
    if (!has_image[i]) names.push_back(files.class_names[i]);
  return names;
}

// The first usable image without a class; empty if all have one.
std::string first_unlabelled(const ImageFiles& files, const std::vector<std::string>& reasons) {
  for (std::size_t i = 0; i < reasons.size(); ++i)
    if (reasons[i].empty() && files.images[i].label < 0) return printable(files.full_name(i));
  return "";
}

ImageStore decode(const ImageFiles& files, const std::string& source, const DataConfig& config,
                  const LoadOptions& options) {
  const StoreShape shape = shape_of(files, config, options.work);
  const std::size_t count = files.images.size();
  if (!options.force) check_memory(count, shape);
  const bool skip = config.on_bad_image == OnBadImage::kSkip;
  std::vector<std::uint8_t> pixels(count * shape.image_bytes());
  const auto decode = [&](std::size_t i) {
    const std::span<std::uint8_t> all(pixels);
    fit_image(read_image(files, i, config.orientation), shape,
              all.subspan(i * shape.image_bytes(), shape.image_bytes()));
  };
  const std::vector<std::string> reasons = for_each_image(count, options.work, !skip, decode);
  std::vector<std::int64_t> labels(count);
  drop_bad_images(files, reasons, skip, shape.image_bytes(), pixels, labels);
  std::vector<std::string> empty_classes = classes_without_image(files, labels);
  return ImageStore({.stored_height = shape.stored_height,
                     .stored_width = shape.stored_width,
                     .channels = shape.channels,
                     .height = shape.height,
                     .width = shape.width,
                     .class_names = files.class_names,
                     .empty_classes = std::move(empty_classes),
                     .unlabelled = first_unlabelled(files, reasons),
                     .passed_over = passed_over_text(files),
                     .source = source},
                    std::move(pixels), std::move(labels));
}

}  // namespace

ImageStore load_files(const DataConfig& config, const LoadOptions& options) {
  const std::string source = format_text("{} {}", config.source, config.path);
  const std::optional<fs::path> caches = cache_folder(config.cache);
  if (!caches) return decode(find_image_files(config), source, config, options);
  // An archive need not be read to know whether the cache has it.
  std::optional<ImageFiles> files;
  if (config.source == DataSource::kFolder) files = find_image_files(config);
  const std::string key = files ? cache_key(*files, config) : archive_cache_key(config);
  const fs::path file = *caches / (key + ".safetensors");
  if (auto cached = load_cache(file, key, source)) return std::move(*cached);
  if (!files) files = find_image_files(config);
  ImageStore store = decode(*files, source, config, options);
  if (options.cache == CacheUse::kReadAndWrite) save_cache(file, key, store);
  return store;
}

}  // namespace ddpm
