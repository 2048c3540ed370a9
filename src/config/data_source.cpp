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

bool is_idx_name(const std::string& name) {
  return name.ends_with("idx3-ubyte") || name.ends_with("idx3-ubyte.gz");
}

DataSource source_of_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {"cifar-10-batches-bin", "data_batch_1.bin"})
    if (fs::exists(folder / name, ignored)) return DataSource::kCifar10;
  return find_idx_images(folder).empty() ? DataSource::kFolder : DataSource::kIdx;
}

// IDX begins with two zeros, the type (8: bytes) and the rank; tar has its name at byte 257.
DataSource source_of_file(const fs::path& file) {
  std::array<char, 512> block{};
  std::ifstream(file, std::ios::binary).read(block.data(), block.size());
  const std::string_view start(block.data(), block.size());
  if (start.substr(257, 5) == "ustar") return DataSource::kCifar10;
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
  if (is_tar_name(name)) return DataSource::kCifar10;
  if (is_idx_name(name)) return DataSource::kIdx;
  // Only a file: opening a pipe would block.
  return fs::is_regular_file(path, ignored) ? source_of_file(path) : DataSource::kFolder;
}

}  // namespace ddpm
