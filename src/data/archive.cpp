#include <algorithm>
#include <memory>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/formats/byte_reader.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/tar.h"
#include "ddpm/formats/zip.h"
#include "listing.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxMembers = 16'000'000;
constexpr std::uint64_t kMaxUnpackedBytes = std::uint64_t{32} << 30;

std::shared_ptr<const MappedFile> map_archive(const fs::path& path) {
  if (path.empty()) throw DataError("no archive is given: set data.path");
  return std::make_shared<const MappedFile>(map_file<DataError>(path));
}

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The name with '/' between folders, where an old program of Windows wrote '\\', and without "./".
std::string portable_name(std::string name) {
  if (name.find('/') == std::string::npos) std::ranges::replace(name, '\\', '/');
  return fs::path(name).lexically_normal().string();
}

// Calls use(bytes) with the content of the member.
void with_content(const ZipMember& member, const UseBytes& use) {
  if (member.compressed) return use(member.unpack());
  member.verify();
  use(member.bytes);
}

using ZipImages = std::map<fs::path, ZipMember>;  // by path

ZipImages zip_images(Listing& listing, std::span<const std::byte> file) {
  ZipImages images;
  for (ZipMember& member : read_zip(file, ZipMethods::kStoredAndDeflate)) {
    member.name = portable_name(member.name);
    if (member.name.ends_with('/')) continue;  // a folder
    if (member.is_link) {
      listing.pass_over_link(member.name);
      continue;
    }
    const Listing::Verdict verdict = listing.judge(member.name);
    if (verdict == Listing::Verdict::kLabels)
      with_content(member,
                   [&](auto bytes) { listing.files.label_files[member.name] = as_text(bytes); });
    if (verdict == Listing::Verdict::kImage) images.emplace(member.name, std::move(member));
  }
  return images;
}

// The image files of a tar archive, by path.
struct TarImage {
  std::span<const std::byte> bytes;                     // a part of the mapped archive
  std::shared_ptr<std::vector<std::uint8_t>> unpacked;  // of a compressed one
};
using TarImages = std::map<fs::path, TarImage>;

// The pictures of CIFAR are no image files.
void refuse_cifar(const Listing& listing, const std::string& member) {
  const std::string name = fs::path(member).filename().string();
  if (name.starts_with("data_batch_1"))
    throw DataError(listing.files.root.string() + ": this is CIFAR-10: set data.source=cifar10");
  if (name == "fine_label_names.txt" || member.find("cifar-100-") != std::string::npos)
    throw DataError(listing.files.root.string() + ": this is CIFAR-100: set data.source=cifar100");
}

// An image of a tar archive that is not compressed, in its place in the file.
TarImage image_in(std::span<const std::byte> file, const TarMember& member,
                  const std::string& name) {
  if (member.offset > file.size() || member.size > file.size() - member.offset)
    throw DataError(name + ": truncated tar archive");
  return {file.subspan(member.offset, member.size), nullptr};
}

TarImage unpacked_image(TarReader& tar) {
  auto content = std::make_shared<std::vector<std::uint8_t>>(tar.read());
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*content));
  return {bytes, std::move(content)};
}

// Reads the archive once, from beginning to end. A later member replaces an earlier one of its name,
// as tar does it.
TarImages tar_images(Listing& listing, std::span<const std::byte> file) {
  const std::string name = listing.files.root.string();
  const std::unique_ptr<ByteReader> source = open_data(file, name);
  const bool compressed = looks_like_gzip(file);
  TarReader tar(*source, {.max_members = kMaxMembers},
                [&](const std::string& link) { listing.pass_over_link(link); });
  TarImages images;
  std::uint64_t unpacked = 0;
  while (const auto member = tar.next()) {
    refuse_cifar(listing, member->name);
    const fs::path path = member->name;
    const Listing::Verdict verdict = listing.judge(path);
    if (verdict == Listing::Verdict::kLabels) {
      const std::vector<std::uint8_t> content = tar.read();
      listing.files.label_files[member->name] = as_text(std::as_bytes(std::span(content)));
    } else if (verdict == Listing::Verdict::kImage) {
      if (compressed && (unpacked += member->size) > kMaxUnpackedBytes)
        throw DataError(
            name + ": its images are too large to be unpacked in memory; unpack it into a folder");
      TarImage image = compressed ? unpacked_image(tar) : image_in(file, *member, name);
      const bool is_new = images.insert_or_assign(path, std::move(image)).second;
      if (!is_new) ++listing.files.passed_over["replaced"];
    } else if (std::ranges::count(path.filename().string(), '.') == 1) {
      listing.files.sample_keys.insert(sample_key(path));
    }
  }
  return images;
}

}  // namespace

ImageFiles list_image_zip(const DataConfig& config) {
  const std::shared_ptr<const MappedFile> file = map_archive(config.path);
  Listing listing(config.path, /*is_archive=*/true, config.exclude);
  ZipImages members =
      read_as_data([&] { return zip_images(listing, file->bytes()); }, config.path + ": ");
  for (const auto& [path, member] : members) listing.files.images.push_back({.path = path});
  listing.files.visit = [file, members = std::move(members)](const fs::path& path,
                                                             const UseBytes& use) {
    read_as_data([&] { with_content(members.at(path), use); });
  };
  return std::move(listing.files);
}

ImageFiles list_image_tar(const DataConfig& config) {
  const std::shared_ptr<const MappedFile> file = map_archive(config.path);
  Listing listing(config.path, /*is_archive=*/true, config.exclude);
  TarImages members = tar_images(listing, file->bytes());
  for (const auto& [path, image] : members) listing.files.images.push_back({.path = path});
  listing.files.visit = [file, members = std::move(members)](const fs::path& path,
                                                             const UseBytes& use) {
    use(members.at(path).bytes);
  };
  return std::move(listing.files);
}

}  // namespace ddpm
