#include "arrays.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/data/embedded.h"
#include "ddpm/formats/cifar.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/idx.h"
#include "ddpm/formats/npy.h"
#include "ddpm/image/codec.h"

namespace ddpm {
namespace {

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
  data.class_names = {"T-shirt", "trouser", "pullover", "dress", "coat",
                      "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};  // Fashion-MNIST
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

ArrayData from_cifar(Cifar cifar, std::string source) {
  return {.height = Cifar::kSide,
          .width = Cifar::kSide,
          .channels = Cifar::kChannels,
          .pixels = std::move(cifar.pixels),
          .labels = std::move(cifar.labels),
          .class_names = std::move(cifar.class_names),
          .source = std::move(source)};
}

// --- NumPy ---------------------------------------------------------------------------------------

// The names that programs give their arrays, the likeliest first: NumPy itself and OpenAI's programs,
// MedMNIST, Keras.
constexpr std::array kImageNames = {"arr_0", "images", "train_images", "x_train", "x", "data"};
constexpr std::array kLabelNames = {"arr_1", "labels", "train_labels", "y_train", "y", "label"};

bool holds_images(const NumpyArray& array) {
  return array.type == "|u1" && (array.shape.size() == 3 || array.shape.size() == 4) &&
         !array.bytes.empty();
}

bool holds_labels(const NumpyArray& array, std::int64_t images) {
  return !array.bytes.empty() && array.count() == images && array.shape.front() == images;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return join(sizes, ",");
}

// The first array that has one of these names and is usable.
template <typename Names, typename Usable>
const NumpyArray* find_array(const std::vector<NumpyArray>& arrays, const Names& names,
                             Usable usable) {
  for (const char* name : names)
    for (const NumpyArray& array : arrays)
      if (array.name == name && usable(array)) return &array;
  return nullptr;
}

const NumpyArray& find_images(const std::vector<NumpyArray>& arrays, const std::string& file) {
  if (const NumpyArray* named = find_array(arrays, kImageNames, holds_images)) return *named;
  std::vector<std::string> shown;
  const NumpyArray* only = nullptr;
  int usable = 0;
  for (const NumpyArray& array : arrays) {
    shown.push_back(
        format_text("'{}' {} of shape [{}]", array.name, array.type, shape_text(array.shape)));
    if (!holds_images(array)) continue;
    only = &array;
    ++usable;
  }
  if (usable == 1) return *only;
  throw DataError(format_text(
      "{}: {} of uint8 with shape [N,height,width] or [N,height,width,channels]; it has "
      "{}",
      file, usable == 0 ? "there is no array" : "it is unclear which array holds the images",
      shown.empty() ? "no array" : join(shown, ", ")));
}

int to_side(std::int64_t side, const fs::path& path) {
  if (side > kMaxImageSide)
    throw DataError(format_text("{}: images with a side of {} pixels; at most {} are allowed",
                                path.string(), side, kMaxImageSide));
  return static_cast<int>(side);
}

// The pixels with channels last. `planes`: they come first in the array.
std::vector<std::uint8_t> channels_last(const NumpyArray& array, std::size_t images,
                                        std::size_t pixels, std::size_t channels, bool planes) {
  std::vector<std::uint8_t> result(array.bytes.size());
  const auto* from = reinterpret_cast<const std::uint8_t*>(array.bytes.data());
  if (!planes) {
    std::copy_n(from, result.size(), result.begin());
    return result;
  }
  for (std::size_t n = 0; n < images; ++n)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t i = 0; i < pixels; ++i) result[(n * pixels + i) * channels + c] = *from++;
  return result;
}

ArrayData load_npz(const fs::path& path) {
  const MappedFile file = map_file<DataError>(path);
  const std::vector<NumpyArray> arrays = read_numpy(file.bytes(), path.string());
  const NumpyArray& images = find_images(arrays, path.string());
  const std::vector<std::int64_t>& shape = images.shape;
  const bool grey = shape.size() == 3;
  if (images.name.empty() && grey && (shape[2] == 3 || shape[2] == 4))
    throw DataError(
        format_text("{}: an array of shape [{}] looks like a single picture; many have the "
                    "shape [N,height,width,{}]",
                    path.string(), shape_text(shape), shape[2]));
  const bool planes = !grey && !is_channel_count(shape[3]);
  const std::int64_t channels = grey ? 1 : planes ? shape[1] : shape[3];
  if (!is_channel_count(channels))
    throw DataError(format_text("{}: array '{}' of shape [{}] has neither 1, 3 nor 4 channels",
                                path.string(), images.name, shape_text(shape)));
  ArrayData data;
  data.height = to_side(shape[planes ? 2 : 1], path);
  data.width = to_side(shape[planes ? 3 : 2], path);
  data.channels = static_cast<int>(channels);
  data.pixels =
      channels_last(images, static_cast<std::size_t>(shape[0]),
                    static_cast<std::size_t>(data.height) * static_cast<std::size_t>(data.width),
                    static_cast<std::size_t>(channels), planes);
  data.labels.assign(static_cast<std::size_t>(shape[0]), -1);
  const auto fits = [&](const NumpyArray& array) { return holds_labels(array, shape[0]); };
  if (const NumpyArray* labels = find_array(arrays, kLabelNames, fits)) {
    data.labels = integers_of(*labels);
    for (const std::int64_t label : data.labels)
      if (label < 0)
        throw DataError(
            format_text("{}: array '{}' has the class {}", path.string(), labels->name, label));
  }
  for (const char* name : kLabelNames)
    for (const NumpyArray& array : arrays)
      if (array.name == name && &array != &images && !fits(array))
        log_warning("{}: array '{}' {} of shape [{}] is passed over; labels are {} integers",
                    path.string(), name, array.type, shape_text(array.shape), shape[0]);
  data.source = "npz " + path.string();
  return data;
}

}  // namespace

bool is_array(DataSource source) {
  return source != DataSource::kFolder && source != DataSource::kZip &&
         source != DataSource::kTar && source != DataSource::kLatents;
}

ArrayData load_array(const DataConfig& config) {
  switch (config.source) {
    case DataSource::kEmbedded:
      return load_embedded();
    case DataSource::kNpz:
      return load_npz(config.path);
    case DataSource::kIdx:
      return load_idx(config.path);
    case DataSource::kCifar10:
      return from_cifar(read_cifar10(config.path), "cifar10 " + config.path);
    case DataSource::kCifar100:
      return from_cifar(read_cifar100(config.path), "cifar100 " + config.path);
    case DataSource::kFolder:
    case DataSource::kZip:
    case DataSource::kTar:
    case DataSource::kLatents:
      break;
  }
  throw std::invalid_argument("this source of data is not one array");
}

}  // namespace ddpm
