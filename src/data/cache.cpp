#include "ddpm/data/cache.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/host.h"
#include "ddpm/base/log.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/formats/sha256.h"

namespace ddpm {
namespace {

constexpr const char* kVersion = "3";

// The folder in an environment variable. Relative ones must be ignored (XDG Base Directory
// Specification).
std::optional<fs::path> environment_folder(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value != '/') return std::nullopt;
  return fs::path(value);
}

[[noreturn]] void reject(const std::string& reason) { throw CheckpointError(reason); }

std::string metadata_value(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) reject("metadata '" + key + "' are missing");
  return found->second;
}

// The info as JSON, so that a person can read it in the file's header.
std::string info_to_json(const ImageStoreInfo& info) {
  const nlohmann::json json = {
      {"height", info.height},           {"width", info.width},
      {"class_names", info.class_names}, {"empty_classes", info.empty_classes},
      {"unlabelled", info.unlabelled},   {"passed_over", info.passed_over}};
  // Folder names may not be UTF-8. They are only shown, so a replacement character is good enough.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

ImageStoreInfo info_from_json(const std::string& text, const std::vector<std::int64_t>& shape,
                              const std::string& source) {
  const nlohmann::json json = nlohmann::json::parse(text);
  return {.stored_height = shape[1],
          .stored_width = shape[2],
          .channels = shape[3],
          .height = json.at("height"),
          .width = json.at("width"),
          .class_names = json.at("class_names"),
          .empty_classes = json.at("empty_classes"),
          .unlabelled = json.at("unlabelled"),
          .passed_over = json.at("passed_over"),
          .source = source};
}

// The hash of everything on which the content depends.
class Key {
 public:
  explicit Key(const DataConfig& config) {
    add(std::string("ddpm cache ") + kVersion);
    for (const std::int64_t number : {config.height, config.width, config.channels})
      add(std::to_string(number));
    for (const std::string_view name : {name_of(config.crop), name_of(config.on_bad_image),
                                        name_of(config.labels), name_of(config.orientation)})
      add(name);
    add(config.background);
    for (const std::string& pattern : config.exclude) add(pattern);
  }

  void add(std::string_view text) { hash_.update(std::string(text) + '\n'); }
  void add_file(const fs::path& root, const fs::path& path) {
    std::error_code error;  // for a file that has vanished: it is reported when it is read
    const auto time = fs::last_write_time(root / path, error).time_since_epoch().count();
    add(path.string() + '\0' + std::to_string(fs::file_size(root / path, error)) + ' ' +
        std::to_string(time));
  }
  std::string digest() { return hash_.hex_digest(); }

 private:
  Sha256 hash_;
};

// Throws CheckpointError, an exception of nlohmann's or std::invalid_argument if anything is wrong.
ImageStore open_store(const fs::path& path, const std::string& key, const std::string& source) {
  const auto file = std::make_shared<const SafetensorsFile>(path);
  if (metadata_value(*file, "version") != kVersion) reject("unknown version");
  if (metadata_value(*file, "key") != key) reject("made from other files or settings");
  const TensorView& images = file->get("images");
  const TensorView& labels = file->get("labels");
  if (images.dtype != DType::kU8 || images.shape.size() != 4) reject("wrong kind of images");
  if (images.bytes.empty() || images.shape[3] > 4) reject("images without pixels, or no images");
  if (labels.dtype != DType::kI64 || labels.shape.size() != 1) reject("wrong kind of labels");
  std::vector<std::int64_t> label_values(labels.bytes.size() / sizeof(std::int64_t));
  std::memcpy(label_values.data(), labels.bytes.data(), labels.bytes.size());
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(images.bytes.data());
  ImageStore store(info_from_json(metadata_value(*file, "info"), images.shape, source), file,
                   {pixels, images.bytes.size()}, std::move(label_values));
  // The hash covers every pixel, so that a flipped bit on the disk is found here.
  if (store.fingerprint() != metadata_value(*file, "fingerprint")) reject("content is damaged");
  return store;
}

// The file as this process writes it, until it is complete: two runs may begin on the same data at
// once, also on two machines with one home.
fs::path own_file(const fs::path& file) {
  return file.string() + "." + host_name() + "-" + std::to_string(::getpid());
}

// Deletes what processes that were killed have left of this file an hour ago or earlier.
void remove_leftovers(const fs::path& file) {
  const auto latest = std::chrono::system_clock::now() - std::chrono::hours(1);
  for (const fs::path& path : list_folder(file.parent_path())) {
    if (!path.filename().string().starts_with(file.filename().string() + ".")) continue;
    const std::optional<FileInfo> info = file_info(path);
    if (info && info->modified < latest) remove_recursively(path);
  }
}

}  // namespace

std::optional<fs::path> cache_folder(const std::string& setting) {
  if (setting == "off") return std::nullopt;
  if (setting != "auto") return fs::path(setting);
  if (const auto cache = environment_folder("XDG_CACHE_HOME")) return *cache / "ddpm";
  if (const auto home = environment_folder("HOME")) return *home / ".cache" / "ddpm";
  return std::nullopt;
}

std::string cache_key(const ImageFiles& files, const DataConfig& config) {
  Key key(config);
  for (const ImageFile& image : files.images) key.add_file(files.root, image.path);
  for (const auto& [path, content] : files.label_files) key.add(path + '\0' + content);
  return key.digest();
}

std::string archive_cache_key(const DataConfig& config) {
  Key key(config);
  const fs::path path = config.path;
  key.add_file(path.parent_path(), path.filename());
  return key.digest();
}

std::optional<ImageStore> load_cache(const fs::path& file, const std::string& key,
                                     const std::string& source) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  try {
    ImageStore store = open_store(file, key, source);
    log_info("images come from the cache {}", file.string());
    return store;
  } catch (const std::exception& problem) {
    log_warning("the image cache is rebuilt: {}: {}", file.string(), problem.what());
    return std::nullopt;
  }
}

void save_cache(const fs::path& file, const std::string& key, const ImageStore& store) {
  const ImageStoreInfo& info = store.info();
  const std::vector<TensorView> tensors = {
      {"images",
       DType::kU8,
       {store.count(), info.stored_height, info.stored_width, info.channels},
       std::as_bytes(store.pixels())},
      {"labels", DType::kI64, {store.count()}, std::as_bytes(std::span(store.labels()))}};
  const SafetensorsMetadata metadata = {{"version", kVersion},
                                        {"key", key},
                                        {"fingerprint", store.fingerprint()},
                                        {"info", info_to_json(info)}};
  try {
    make_directories(file.parent_path());
    remove_leftovers(file);
    write_safetensors(own_file(file), tensors, metadata);
    rename_durably(own_file(file), file);
    log_info("decoded images are kept in the cache {}", file.string());
  } catch (const Error& problem) {
    log_warning("decoded images are not cached: {}; set data.cache to a folder or to \"off\"",
                problem.what());
  }
}

}  // namespace ddpm
