#include "ddpm/data/load_folder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/data/cache.h"
#include "ddpm/data/fit.h"

namespace ddpm {
namespace {

// Reads the headers of all files. One that cannot be read keeps size 0; decoding reports it later.
std::vector<ImageInfo> read_infos(const ImageFolder& folder, const WorkOptions& options) {
  std::vector<ImageInfo> infos(folder.images.size());
  const WorkOptions quiet{.threads = options.threads, .stop = options.stop, .progress = {}};
  for_each_image(infos.size(), quiet, /*stop_at_first=*/false,
                 [&](std::size_t i) { infos[i] = read_folder_image_info(folder, i); });
  return infos;
}

std::string describe(const ImageFolder& folder, std::size_t index, const ImageInfo& info) {
  return "'" + shown(folder.full_path(index)) + "' has " + std::to_string(info.width) + "x" +
         std::to_string(info.height) + " pixels (width x height)";
}

// The common size of all images. If sizes differ, throws DataError that names two images.
ImageInfo common_size(const ImageFolder& folder, const std::vector<ImageInfo>& infos) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].height == 0) continue;
    if (!first) first = i;
    if (infos[i].height != infos[*first].height || infos[i].width != infos[*first].width)
      throw DataError("images differ in size: " + describe(folder, *first, infos[*first]) + ", " +
                      describe(folder, i, infos[i]) + ". Set data.height and data.width.");
  }
  // If no header could be read, any size will do: decoding then finds out why.
  return first ? infos[*first] : ImageInfo{.height = 1, .width = 1, .channels = 1};
}

StoreShape folder_shape(const ImageFolder& folder, const DataConfig& config,
                        const WorkOptions& options) {
  ImageInfo natural;
  if (keeps_natural_size(config) || config.channels == 0) {
    const std::vector<ImageInfo> infos = read_infos(folder, options);
    if (keeps_natural_size(config)) natural = common_size(folder, infos);
    const auto has_color = [](const ImageInfo& info) { return info.channels >= 3; };
    natural.channels = std::any_of(infos.begin(), infos.end(), has_color) ? 3 : 1;
  }
  return resolve_shape(config, natural.height, natural.width, natural.channels);
}

[[noreturn]] void fail_for_bad_image(const fs::path& path, const std::string& reason) {
  throw DataError("image '" + shown(path) + "' cannot be used: " + reason +
                  ". Remove it or set data.on_bad_image to \"skip\"; `ddpm inspect --data` lists "
                  "all such files.");
}

// Moves the usable images together. Throws or warns because of the others.
void drop_bad_images(const ImageFolder& folder, const std::vector<std::string>& reasons, bool skip,
                     std::size_t image_bytes, std::vector<std::uint8_t>& pixels,
                     std::vector<std::int64_t>& labels) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (!reasons[i].empty()) {
      if (!skip) fail_for_bad_image(folder.full_path(i), reasons[i]);
      log_warning("skipped image {}: {}", shown(folder.full_path(i)), reasons[i]);
      continue;
    }
    if (kept != i) {
      const auto at = [&](std::size_t k) {
        return pixels.begin() + static_cast<std::ptrdiff_t>(k * image_bytes);
      };
      std::copy(at(i), at(i + 1), at(kept));
    }
    labels[kept++] = folder.images[i].label;
  }
  if (kept == 0) throw DataError("no image in '" + shown(folder.root) + "' can be used");
  pixels.resize(kept * image_bytes);
  labels.resize(kept);
}

ImageStore decode_folder(const ImageFolder& folder, const std::string& source,
                         const DataConfig& config, const WorkOptions& options) {
  const StoreShape shape = folder_shape(folder, config, options);
  const std::size_t count = folder.images.size();
  check_memory(count, shape);
  const bool skip = config.on_bad_image == OnBadImage::kSkip;
  std::vector<std::uint8_t> pixels(count * shape.image_bytes());
  const auto decode = [&](std::size_t i) {
    const std::span<std::uint8_t> all(pixels);
    fit_image(read_folder_image(folder, i), shape,
              all.subspan(i * shape.image_bytes(), shape.image_bytes()));
  };
  const std::vector<std::string> reasons = for_each_image(count, options, !skip, decode);
  std::vector<std::int64_t> labels(count);
  drop_bad_images(folder, reasons, skip, shape.image_bytes(), pixels, labels);
  return ImageStore({.stored_height = shape.stored_height,
                     .stored_width = shape.stored_width,
                     .channels = shape.channels,
                     .height = shape.height,
                     .width = shape.width,
                     .class_names = folder.class_names,
                     .source = source},
                    std::move(pixels), std::move(labels));
}

}  // namespace

ImageStore load_folder(const DataConfig& config, const WorkOptions& options, CacheUse cache) {
  const ImageFolder folder = list_image_folder(config.path);
  const std::string source = "folder " + config.path;
  const std::optional<fs::path> caches = cache_folder(config.cache);
  if (!caches) return decode_folder(folder, source, config, options);
  const std::string key = cache_key(folder, config);
  const fs::path file = *caches / (key + ".safetensors");
  if (std::optional<ImageStore> cached = load_cache(file, key, source)) return std::move(*cached);
  ImageStore store = decode_folder(folder, source, config, options);
  if (cache == CacheUse::kReadAndWrite) save_cache(file, key, store);
  return store;
}

}  // namespace ddpm
