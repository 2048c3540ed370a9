#include "ddpm/formats/cifar10.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/formats/byte_reader.h"
#include "ddpm/formats/tar.h"

namespace ddpm {
namespace {

constexpr std::size_t kPlane = Cifar10::kSide * Cifar10::kSide;
constexpr std::size_t kRecord = 1 + 3 * kPlane;
// The real files have 10,000 records each; larger files of the same format are allowed too.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;
constexpr const char* kMetaFile = "batches.meta.txt";

// The content of each file that is wanted, by its name.
using Files = std::map<std::string, std::vector<std::uint8_t>>;

std::vector<std::string> batch_names(bool with_test) {
  std::vector<std::string> names;
  for (int i = 1; i <= 5; ++i) names.push_back("data_batch_" + std::to_string(i) + ".bin");
  if (with_test) names.emplace_back("test_batch.bin");
  return names;
}

Files files_of_archive(const fs::path& path, const std::vector<std::string>& wanted) {
  Files files;
  const auto source = open_data_file(path);
  TarReader tar(*source, {.max_members = 1000, .max_member_bytes = kMaxFileBytes});
  while (const auto member = tar.next()) {
    const std::string name = fs::path(member->name).filename().string();
    if (name == kMetaFile || std::find(wanted.begin(), wanted.end(), name) != wanted.end())
      files[name] = tar.read();
  }
  return files;
}

Files files_of_folder(fs::path folder, const std::vector<std::string>& wanted) {
  if (is_folder(folder / "cifar-10-batches-bin")) folder /= "cifar-10-batches-bin";
  Files files;
  std::vector<std::string> names = wanted;
  names.emplace_back(kMetaFile);
  for (const std::string& name : names) {
    const std::optional<FileInfo> info = file_info(folder / name);
    if (!info || !info->is_file) continue;  // reported as missing later, if it is needed
    if (info->bytes > kMaxFileBytes)
      throw DataError((folder / name).string() + ": too large for CIFAR-10");
    files[name] = read_exactly(*open_data_file(folder / name), info->bytes, "records");
  }
  return files;
}

// Turns planes into interleaved pixels.
void append_record(const std::uint8_t* record, Cifar10& data) {
  data.labels.push_back(record[0]);
  const std::uint8_t* planes = record + 1;
  for (std::size_t i = 0; i < kPlane; ++i)
    for (std::size_t c = 0; c < 3; ++c) data.pixels.push_back(planes[c * kPlane + i]);
}

void append_batch(const std::vector<std::uint8_t>& bytes, const std::string& name, Cifar10& data) {
  if (bytes.empty() || bytes.size() % kRecord != 0)
    throw DataError(name + ": " + std::to_string(bytes.size()) +
                    " bytes are not a positive number of 3073-byte records (truncated?)");
  data.pixels.reserve(data.pixels.size() + bytes.size());
  for (std::size_t offset = 0; offset < bytes.size(); offset += kRecord) {
    if (bytes[offset] > 9)
      throw DataError(name + ": record " + std::to_string(offset / kRecord) + " has label " +
                      std::to_string(bytes[offset]) + ", not 0 to 9");
    append_record(&bytes[offset], data);
  }
}

std::vector<std::string> parse_class_names(const std::vector<std::uint8_t>& meta) {
  std::istringstream lines(std::string(meta.begin(), meta.end()));
  std::vector<std::string> names;
  for (std::string name; lines >> name;) names.push_back(name);
  if (names.size() != 10) names.clear();
  return names;
}

}  // namespace

Cifar10 read_cifar10(const fs::path& path, bool with_test) {
  const std::vector<std::string> wanted = batch_names(with_test);
  const std::optional<FileInfo> info = file_info(path);
  if (!info) throw DataError(path.string() + ": no such file or folder");
  Files files = info->is_folder ? files_of_folder(path, wanted) : files_of_archive(path, wanted);
  Cifar10 data;
  for (const std::string& name : wanted) {
    const auto found = files.find(name);
    if (found == files.end())
      throw DataError(path.string() + ": holds no " + name +
                      " (the binary version of CIFAR-10 is needed)");
    append_batch(found->second, path.string() + ": " + name, data);
    files.erase(found);  // frees the bytes, so that memory holds the pixels only once
  }
  if (files.contains(kMetaFile)) data.class_names = parse_class_names(files[kMetaFile]);
  return data;
}

}  // namespace ddpm
