#include "torch_archive.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/zip.h"

namespace ddpm {
namespace {

using Kind = PickleValue::Kind;

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageType, 10> kStorageTypes = {{{"DoubleStorage", DType::kF64},
                                                        {"FloatStorage", DType::kF32},
                                                        {"HalfStorage", DType::kF16},
                                                        {"BFloat16Storage", DType::kBF16},
                                                        {"LongStorage", DType::kI64},
                                                        {"IntStorage", DType::kI32},
                                                        {"ShortStorage", DType::kI16},
                                                        {"CharStorage", DType::kI8},
                                                        {"ByteStorage", DType::kU8},
                                                        {"BoolStorage", DType::kBool}}};

// --- Since PyTorch 1.6: NAME/data.pkl and NAME/data/KEY in a zip archive -------------------------

// All members lie in one folder, named after the file as it was saved.
std::string find_folder(const std::vector<ZipMember>& members) {
  for (const ZipMember& member : members) {
    const std::size_t slash = member.name.find('/');
    if (slash != std::string::npos && std::string_view(member.name).substr(slash + 1) == "data.pkl")
      return member.name.substr(0, slash + 1);
  }
  std::vector<std::string> names;
  constexpr std::size_t kShown = 3;
  for (const ZipMember& member : members)
    if (names.size() < kShown) names.push_back(shorten(member.name));
  throw CheckpointError(format_text(
      "a zip archive without data.pkl, so torch.save did not write it; it holds {}{}: if these are "
      "weights, unpack it first",
      names.empty() ? "nothing" : join(names), members.size() > kShown ? ", ..." : ""));
}

TorchArchive open_zip(std::span<const std::byte> file) {
  const std::vector<ZipMember> members = read_zip(file);
  const std::string folder = find_folder(members), data = folder + "data/";
  TorchArchive archive;
  for (const ZipMember& member : members) {
    member.verify();
    if (member.name == folder + "data.pkl")
      archive.tree = read_pickle(member.bytes);
    else if (member.name.starts_with(data))
      archive.storages.emplace(member.name.substr(data.size()), member.bytes);
    else if (member.name == folder + "byteorder" && member.bytes.size() == 3)  // "big"
      throw CheckpointError("saved on a big-endian machine; save it again on a little-endian one");
  }
  return archive;
}

// --- Before PyTorch 1.6 --------------------------------------------------------------------------
//
// Magic number, protocol, machine, object and list of keys, each a pickle; then for each key the
// number of elements and the elements.

constexpr std::array<unsigned char, 14> kLegacyMagic = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                                        0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

PickleTree next_pickle(std::span<const std::byte>& rest) {
  PickleTree tree = read_pickle(rest);
  rest = rest.subspan(tree.size);
  return tree;
}

TorchArchive open_legacy(std::span<const std::byte> file) {
  std::span<const std::byte> rest = file.subspan(kLegacyMagic.size() + 1);  // and its STOP
  static_cast<void>(next_pickle(rest));                                     // protocol
  static_cast<void>(next_pickle(rest));                                     // machine
  TorchArchive archive;
  archive.tree = next_pickle(rest);
  std::map<std::string, StorageIdentity> known;
  for (std::size_t i = 0; i < archive.tree.values.size(); ++i)
    if (archive.tree.values[i].kind == Kind::kPersistent) {
      StorageIdentity storage = storage_identity(archive.tree, static_cast<PickleIndex>(i));
      std::string key = storage.key;
      known.emplace(std::move(key), std::move(storage));
    }
  const PickleTree keys = next_pickle(rest);
  for (const PickleIndex item : keys.values[keys.root].items) {
    const std::string key(keys.values[item].text);
    const auto storage = known.find(key);
    if (storage == known.end()) throw CheckpointError("storage '" + shorten(key) + "' is unknown");
    constexpr std::size_t kCountBytes = 8;
    if (rest.size() < kCountBytes) throw CheckpointError("truncated after its pickle");
    const std::uint64_t count = load_little_endian(rest.first(kCountBytes));
    rest = rest.subspan(kCountBytes);
    if (count != storage->second.count || storage->second.bytes > rest.size())
      throw CheckpointError(format_text(
          "storage '{}': {} elements of type {} are missing; the file is truncated or damaged",
          shorten(key), storage->second.count, dtype_name(storage->second.dtype)));
    archive.storages.emplace(key, rest.first(storage->second.bytes));
    rest = rest.subspan(storage->second.bytes);
  }
  return archive;
}

}  // namespace

bool looks_like_legacy_torch(std::span<const std::byte> file) {
  return file.size() > kLegacyMagic.size() &&
         std::memcmp(file.data(), kLegacyMagic.data(), kLegacyMagic.size()) == 0;
}

std::string full_name(const PickleValue& global) {
  return std::string(global.text) + "." + std::string(global.name);
}

bool has_known_type(const PickleTree& tree, PickleIndex persistent) {
  const PickleValue& identity = tree.values[persistent];
  if (identity.kind != Kind::kPersistent) return true;  // storage_identity says what is wrong
  const std::vector<PickleIndex>& parts = tree.values[identity.items[0]].items;
  if (parts.size() < 2 || tree.values[parts[1]].kind != Kind::kGlobal) return true;
  const PickleValue& type = tree.values[parts[1]];
  return type.text == "torch" &&
         std::ranges::find(kStorageTypes, type.name, &StorageType::name) != kStorageTypes.end();
}

StorageIdentity storage_identity(const PickleTree& tree, PickleIndex persistent) {
  const auto value = [&](PickleIndex index) -> const PickleValue& { return tree.values[index]; };
  if (value(persistent).kind != Kind::kPersistent) throw CheckpointError("it has no storage");
  const std::vector<PickleIndex>& parts = value(value(persistent).items[0]).items;
  if (parts.size() < 5 || value(parts[1]).kind != Kind::kGlobal ||
      value(parts[2]).kind != Kind::kString || value(parts[4]).kind != Kind::kInteger)
    throw CheckpointError("its storage is not described as PyTorch does");
  const auto type = std::ranges::find(kStorageTypes, value(parts[1]).name, &StorageType::name);
  if (type == kStorageTypes.end() || value(parts[1]).text != "torch")
    throw CheckpointError("storages of type " + shorten(full_name(value(parts[1]))) +
                          " are not supported");
  const std::int64_t count = value(parts[4]).integer;
  StorageIdentity storage{.key = std::string(value(parts[2]).text), .dtype = type->dtype};
  storage.count = static_cast<std::uint64_t>(count);
  if (count < 0 || __builtin_mul_overflow(storage.count, dtype_size(type->dtype), &storage.bytes))
    throw CheckpointError(format_text("a storage cannot have {} elements", count));
  return storage;
}

TorchArchive open_torch_archive(std::span<const std::byte> file) {
  if (looks_like_zip(file)) return open_zip(file);
  if (looks_like_legacy_torch(file)) return open_legacy(file);
  throw CheckpointError("not a file of torch.save: neither a zip archive nor its older form");
}

}  // namespace ddpm
