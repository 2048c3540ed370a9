#include "ddpm/data/load.h"

#include <stdexcept>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/config/data_source.h"
#include "ddpm/data/embedded.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/load_folder.h"
#include "ddpm/formats/cifar10.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/idx.h"

namespace ddpm {
namespace {

// The images of a source that is one array.
struct ArrayData {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;  // [N,height,width,channels]
  std::vector<std::int64_t> labels;  // [N]
  std::vector<std::string> class_names;
  std::string source;
};

ArrayData from_idx(IdxArray images, std::string source) {
  ArrayData data;
  data.height = static_cast<int>(images.shape[1]);
  data.width = static_cast<int>(images.shape[2]);
  data.channels = 1;
  data.pixels = std::move(images.values);
  data.labels.assign(static_cast<std::size_t>(images.shape[0]), -1);
  data.source = std::move(source);
  return data;
}

void set_labels(ArrayData& data, const IdxArray& labels, const std::string& name) {
  if (labels.values.size() != data.labels.size())
    throw DataError(name + ": " + std::to_string(labels.values.size()) + " labels for " +
                    std::to_string(data.labels.size()) + " images");
  data.labels.assign(labels.values.begin(), labels.values.end());
}

ArrayData load_embedded() {
  GzipReader images(embedded_images_gz(), "embedded images");
  GzipReader labels(embedded_labels_gz(), "embedded labels");
  ArrayData data = from_idx(read_idx(images, 3), "embedded");
  set_labels(data, read_idx(labels, 1), labels.name());
  return data;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// The file of training images: the path itself, or one in this folder.
fs::path idx_images(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  if (const fs::path file = find_idx_images(path); !file.empty()) return file;
  throw DataError("'" + path.string() +
                  "' has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz");
}

// "train-images-idx3-ubyte.gz" -> "train-labels-idx1-ubyte[.gz]"; empty if there is no such file.
fs::path find_idx_labels(const fs::path& images) {
  std::string name = images.filename().string();
  for (const auto& [from, to] : {std::pair{"images", "labels"}, std::pair{"idx3", "idx1"}}) {
    const std::size_t at = name.find(from);
    if (at == std::string::npos) return {};
    name.replace(at, std::string_view(from).size(), to);
  }
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  for (const char* suffix : {"", ".gz"})
    if (const fs::path file = images.parent_path() / (name + suffix); is_file(file)) return file;
  return {};
}

ArrayData load_idx(const fs::path& path) {
  const fs::path images = idx_images(path);
  ArrayData data = from_idx(read_idx(images, 3), "idx " + images.string());
  const fs::path labels = find_idx_labels(images);
  if (!labels.empty()) set_labels(data, read_idx(labels, 1), labels.string());
  return data;
}

ArrayData load_cifar10(const fs::path& path) {
  Cifar10 cifar = read_cifar10(path);
  return {.height = Cifar10::kSide,
          .width = Cifar10::kSide,
          .channels = Cifar10::kChannels,
          .pixels = std::move(cifar.pixels),
          .labels = std::move(cifar.labels),
          .class_names = std::move(cifar.class_names),
          .source = "cifar10 " + path.string()};
}

// Brings every image to the wanted shape.
std::vector<std::uint8_t> fit_all(const ArrayData& data, const StoreShape& shape,
                                  const WorkOptions& options) {
  const std::size_t count = data.labels.size();
  check_memory(count, shape);
  std::vector<std::uint8_t> pixels(count * shape.image_bytes());
  for_each_image(count, options, /*stop_at_first=*/true, [&](std::size_t i) {
    Image image(data.height, data.width, data.channels);
    const auto first = data.pixels.begin() + static_cast<std::ptrdiff_t>(i * image.pixels.size());
    std::copy_n(first, image.pixels.size(), image.pixels.begin());
    const std::span<std::uint8_t> all(pixels);
    fit_image(image, shape, all.subspan(i * shape.image_bytes(), shape.image_bytes()));
  });
  return pixels;
}

ImageStore to_store(ArrayData data, const DataConfig& config, const WorkOptions& options) {
  const StoreShape shape = resolve_shape(config, data.height, data.width, data.channels);
  const bool fits = shape.stored_height == data.height && shape.stored_width == data.width &&
                    shape.channels == data.channels;
  std::vector<std::uint8_t> pixels = fits ? std::move(data.pixels) : fit_all(data, shape, options);
  return ImageStore({.stored_height = shape.stored_height,
                     .stored_width = shape.stored_width,
                     .channels = shape.channels,
                     .height = shape.height,
                     .width = shape.width,
                     .class_names = std::move(data.class_names),
                     .source = std::move(data.source)},
                    std::move(pixels), std::move(data.labels));
}

}  // namespace

ImageStore load_images(const DataConfig& config, const WorkOptions& options, CacheUse cache) {
  if (config.source != DataSource::kEmbedded && config.path.empty())
    throw DataError(format_text("data.source \"{}\" needs data.path", config.source));
  switch (config.source) {
    case DataSource::kEmbedded:
      return to_store(load_embedded(), config, options);
    case DataSource::kFolder:
      return load_folder(config, options, cache);
    case DataSource::kIdx:
      return to_store(load_idx(config.path), config, options);
    case DataSource::kCifar10:
      return to_store(load_cifar10(config.path), config, options);
  }
  throw std::invalid_argument("no such source of data");
}

}  // namespace ddpm
