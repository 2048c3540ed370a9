#include "ddpm/config/data_source.h"

#include <array>
#include <fstream>
#include <string>
#include <string_view>

namespace ddpm {
namespace {

namespace fs = std::filesystem;

bool is_tar_name(const std::string& name) {
  return name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

// The archives of CIFAR are tar files whose names their authors gave.
DataSource source_of_tar(const std::string& name) {
  if (name.starts_with("cifar-100-")) return DataSource::kCifar100;
  if (name.starts_with("cifar-10-")) return DataSource::kCifar10;
  return DataSource::kTar;
}

bool is_idx_name(const std::string& name) {
  return name.ends_with("idx3-ubyte") || name.ends_with("idx3-ubyte.gz");
}

DataSource source_of_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name :
       {"cifar-10-batches-bin", "cifar-10-batches-py", "data_batch_1.bin", "data_batch_1"})
    if (fs::exists(folder / name, ignored)) return DataSource::kCifar10;
  for (const char* name : {"cifar-100-binary", "cifar-100-python", "fine_label_names.txt"})
    if (fs::exists(folder / name, ignored)) return DataSource::kCifar100;
  return find_idx_images(folder).empty() ? DataSource::kFolder : DataSource::kIdx;
}

bool is_npz_name(const std::string& name) {
  return name.ends_with(".npz") || name.ends_with(".npy");
}

// IDX begins with two zeros, the type (8: bytes) and the rank; tar has its name at byte 257. An .npz
// file is a zip file.
DataSource source_of_file(const fs::path& file) {
  std::array<char, 512> block{};
  std::ifstream(file, std::ios::binary).read(block.data(), block.size());
  const std::string_view start(block.data(), block.size());
  if (start.substr(257, 5) == "ustar") return source_of_tar(file.filename().string());
  if (start.starts_with("PK")) return DataSource::kZip;
  if (start.starts_with("\x93NUMPY")) return DataSource::kNpz;
  if (start.substr(0, 4) == std::string_view("\0\0\x08\x03", 4)) return DataSource::kIdx;
  return DataSource::kFolder;
}

}  // namespace

fs::path find_idx_images(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {"train-images-idx3-ubyte", "train-images.idx3-ubyte"})
    for (const char* suffix : {"", ".gz"})
      if (fs::path file = folder / (std::string(name) + suffix); fs::is_regular_file(file, ignored))
        return file;
  return {};
}

DataSource source_of_path(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return source_of_folder(path);
  const std::string name = path.filename().string();
  if (is_tar_name(name)) return source_of_tar(name);
  if (is_npz_name(name)) return DataSource::kNpz;
  if (name.ends_with(".zip")) return DataSource::kZip;
  if (name.ends_with(".safetensors")) return DataSource::kLatents;
  if (is_idx_name(name)) return DataSource::kIdx;
  // Only a file: opening a pipe would block.
  return fs::is_regular_file(path, ignored) ? source_of_file(path) : DataSource::kFolder;
}

DataSource source_for_path(DataSource before, const fs::path& path) {
  std::error_code ignored;
  const bool contradicts = before == DataSource::kEmbedded ||
                           (before == DataSource::kFolder && fs::is_regular_file(path, ignored));
  return contradicts ? source_of_path(path) : before;
}

DataConfig data_at(const std::filesystem::path& path, DataConfig data) {
  data.path = path.string();
  data.source = source_of_path(path);
  return data;
}

}  // namespace ddpm
