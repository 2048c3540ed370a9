#include "ddpm/formats/zip.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <set>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50,
                        kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50,
                        kLocator64Signature = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                        kLocator64Bytes = 20;
constexpr std::uint64_t kStored = 0, kDeflate = 8;             // methods of compression
constexpr std::uint64_t kMax16 = 0xFFFF, kMax32 = 0xFFFFFFFF;  // "see the zip64 field"

[[noreturn]] void fail(const std::string& reason) {
  throw CheckpointError("not a valid zip archive: " + reason);
}

// Reads little-endian numbers and checks that they lie inside the file.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t size() const { return bytes_.size(); }
  std::span<const std::byte> part(std::uint64_t offset, std::uint64_t size,
                                  const char* what) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset)
      fail(format_text(
          "{} at byte {} reaches beyond the end of the file; it is truncated or damaged", what,
          offset));
    return bytes_.subspan(offset, size);
  }
  std::uint64_t number(std::uint64_t offset, std::uint64_t size, const char* what) const {
    return load_little_endian(part(offset, size, what));
  }
  std::string text(std::uint64_t offset, std::uint64_t size, const char* what) const {
    const std::span<const std::byte> found = part(offset, size, what);
    return {reinterpret_cast<const char*>(found.data()), found.size()};
  }

 private:
  std::span<const std::byte> bytes_;
};

struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
  std::uint64_t end = 0;  // of its bytes: the end record, or that of zip64
};

// The end record is at the end of the file; only a comment of at most 64 KiB may follow it.
std::uint64_t find_end(const Bytes& file) {
  if (file.size() < kEndBytes) fail("it is too short; the file is truncated");
  const std::uint64_t last = file.size() - kEndBytes;
  const std::uint64_t first = last > kMax16 ? last - kMax16 : 0;
  for (std::uint64_t position = last + 1; position-- > first;)
    if (file.number(position, 4, "end record") == kEndSignature &&
        file.number(position + 20, 2, "end record") == last - position)
      return position;
  fail("it has no end record; the file is truncated");
}

Directory read_end(const Bytes& file) {
  const char* what = "end record";
  const std::uint64_t end = find_end(file);
  if (file.number(end + 4, 2, what) != 0 || file.number(end + 6, 2, what) != 0)
    fail("it is split over several files");
  Directory directory{.offset = file.number(end + 16, 4, what),
                      .size = file.number(end + 12, 4, what),
                      .count = file.number(end + 10, 2, what),
                      .end = end};
  const bool has_locator =
      end >= kLocator64Bytes &&
      file.number(end - kLocator64Bytes, 4, "zip64 locator") == kLocator64Signature;
  if (has_locator) {
    std::uint64_t end64 = file.number(end - kLocator64Bytes + 8, 8, "zip64 locator");
    // Where other bytes lie before the archive, the record is directly before its locator.
    const bool is_there = file.number(end64, 4, "zip64 end record") == kEnd64Signature;
    if (!is_there && end >= kLocator64Bytes + kEnd64Bytes)
      end64 = end - kLocator64Bytes - kEnd64Bytes;
    if (file.number(end64, 4, "zip64 end record") != kEnd64Signature)
      fail("no zip64 end record where the locator says");
    static_cast<void>(file.part(end64, kEnd64Bytes, "zip64 end record"));
    directory = {.offset = file.number(end64 + 48, 8, what),
                 .size = file.number(end64 + 40, 8, what),
                 .count = file.number(end64 + 32, 8, what),
                 .end = end64};
  }
  if (directory.count > directory.size / kCentralBytes)
    fail(format_text("{} members do not fit a directory of {} bytes", directory.count,
                     directory.size));
  static_cast<void>(file.part(directory.offset, directory.size, "directory"));
  return directory;
}

// How many bytes lie before the archive, as in one that unpacks itself: by so many its directory,
// which ends at the end record, is farther than it says.
std::uint64_t bytes_before(const Bytes& file, const Directory& directory) {
  if (directory.count == 0 || file.number(directory.offset, 4, "directory") == kCentralSignature)
    return 0;
  const std::uint64_t said = directory.offset + directory.size;
  return directory.end > said ? directory.end - said : 0;
}

struct Entry {
  std::string name;
  std::uint64_t flags = 0, method = 0, crc = 0, compressed = 0, size = 0, offset = 0;
  bool is_link = false;
};

// Sizes and offsets that do not fit 32 bits are in extra field 1, in this order.
void apply_zip64(const Bytes& extra, Entry& entry) {
  std::uint64_t position = 0;
  while (position + 4 <= extra.size()) {
    const std::uint64_t id = extra.number(position, 2, "extra field"),
                        size = extra.number(position + 2, 2, "extra field");
    std::uint64_t value = position + 4;
    position = value + size;
    if (id != 1) continue;
    for (std::uint64_t* field : {&entry.size, &entry.compressed, &entry.offset})
      if (*field == kMax32) {
        *field = extra.number(value, 8, "zip64 extra field");
        value += 8;
      }
  }
}

Entry read_entry(const Bytes& file, std::uint64_t& position) {
  const char* what = "directory entry";
  if (file.number(position, 4, what) != kCentralSignature)
    fail(format_text("no directory entry at byte {}", position));
  Entry entry{.name = {},
              .flags = file.number(position + 8, 2, what),
              .method = file.number(position + 10, 2, what),
              .crc = file.number(position + 16, 4, what),
              .compressed = file.number(position + 20, 4, what),
              .size = file.number(position + 24, 4, what),
              .offset = file.number(position + 42, 4, what)};
  // Programs of Unix (3) keep the mode of a file in the upper half of its attributes.
  const bool is_from_unix = file.number(position + 5, 1, what) == 3;
  constexpr std::uint64_t kKindOfFile = 0170000, kLink = 0120000;
  entry.is_link = is_from_unix && (file.number(position + 40, 2, what) & kKindOfFile) == kLink;
  const std::uint64_t name = file.number(position + 28, 2, what),
                      extra = file.number(position + 30, 2, what),
                      comment = file.number(position + 32, 2, what);
  entry.name = file.text(position + kCentralBytes, name, what);
  apply_zip64(Bytes(file.part(position + kCentralBytes + name, extra, what)), entry);
  position += kCentralBytes + name + extra + comment;
  return entry;
}

[[noreturn]] void fail_member(const std::string& name, const std::string& reason) {
  throw CheckpointError("member '" + shorten(name) + "': " + reason);
}

struct Placed {
  ZipMember member;
  std::uint64_t begin = 0, end = 0;  // bytes of the file, local header included
};

void check_method(const Entry& entry, ZipMethods methods) {
  if (entry.flags & 1) fail_member(entry.name, "is encrypted");
  if (entry.method != kStored && methods == ZipMethods::kStored)
    fail_member(entry.name, "is compressed; PyTorch stores its members as they are");
  if (entry.method != kStored && entry.method != kDeflate)
    fail_member(entry.name,
                format_text("is compressed by method {}; only deflate is read", entry.method));
  // A bit of deflate gives at most 258 bytes, two of them are needed.
  constexpr std::uint64_t kMostPerByte = 1032;
  const bool fits = entry.method == kStored ? entry.compressed == entry.size
                                            : entry.size / kMostPerByte <= entry.compressed;
  if (!fits)
    fail_member(entry.name,
                format_text("{} bytes stored for a size of {}", entry.compressed, entry.size));
}

Placed place(const Bytes& file, const Entry& entry, std::uint64_t limit, ZipMethods methods) {
  check_method(entry, methods);
  const char* what = "member";
  if (file.number(entry.offset, 4, what) != kLocalSignature)
    fail_member(entry.name, format_text("no header at byte {}", entry.offset));
  const std::uint64_t name = file.number(entry.offset + 26, 2, what),
                      extra = file.number(entry.offset + 28, 2, what);
  if (file.text(entry.offset + kLocalBytes, name, what) != entry.name)
    fail_member(entry.name, "has another name in its own header");
  const std::uint64_t begin = entry.offset + kLocalBytes + name + extra;
  if (begin > limit || entry.compressed > limit - begin)
    fail_member(entry.name, format_text("its {} bytes reach into the directory", entry.compressed));
  return {{.name = entry.name,
           .bytes = file.part(begin, entry.compressed, what),
           .crc = static_cast<std::uint32_t>(entry.crc),
           .size = entry.size,
           .compressed = entry.method != kStored,
           .is_link = entry.is_link},
          entry.offset,
          begin + entry.compressed};
}

void check_sum(const ZipMember& member, std::span<const std::byte> content) {
  const auto found = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  if (found != member.crc)
    fail_member(member.name,
                format_text("damaged: CRC-32 is {}, the directory says {}", found, member.crc));
}

// Fills `content` from deflate data without a header of zlib or gzip.
void inflate_all(const ZipMember& member, std::span<std::byte> content) {
  constexpr int kRawDeflate = -15;
  constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // zlib counts with 32 bits
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  // zlib only reads through this pointer.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(member.bytes.data()));
  stream.next_out = reinterpret_cast<Bytef*>(content.data());
  int result = Z_OK;
  while (result == Z_OK) {
    const auto read = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(stream.next_in) -
                                               member.bytes.data());
    const auto written =
        static_cast<std::size_t>(reinterpret_cast<std::byte*>(stream.next_out) - content.data());
    stream.avail_in = static_cast<uInt>(std::min(member.bytes.size() - read, kMostAtOnce));
    stream.avail_out = static_cast<uInt>(std::min(content.size() - written, kMostAtOnce));
    result = inflate(&stream, Z_NO_FLUSH);
  }
  const bool filled =
      reinterpret_cast<std::byte*>(stream.next_out) == content.data() + content.size();
  if (result != Z_STREAM_END || !filled) fail_member(member.name, "damaged deflate data");
}

}  // namespace

void ZipMember::verify() const { check_sum(*this, bytes); }

std::vector<std::byte> ZipMember::unpack() const {
  std::vector<std::byte> content(bytes.begin(), compressed ? bytes.begin() : bytes.end());
  if (compressed) {
    content.resize(size);
    inflate_all(*this, content);
  }
  check_sum(*this, content);
  return content;
}

bool looks_like_zip(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 4 && bytes[0] == std::byte{'P'} && bytes[1] == std::byte{'K'} &&
         ((bytes[2] == std::byte{3} && bytes[3] == std::byte{4}) ||
          (bytes[2] == std::byte{5} && bytes[3] == std::byte{6}));
}

std::vector<ZipMember> read_zip(std::span<const std::byte> bytes, ZipMethods methods) {
  const Bytes all(bytes);
  const Directory directory = read_end(all);
  const Bytes file(bytes.subspan(bytes_before(all, directory)));
  std::vector<Placed> placed;
  std::set<std::string> names;
  std::uint64_t position = directory.offset;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    const Entry entry = read_entry(file, position);
    if (position > directory.offset + directory.size) fail("the directory is longer than it says");
    if (!names.insert(entry.name).second) fail_member(entry.name, "appears twice");
    placed.push_back(place(file, entry, directory.offset, methods));
  }
  std::ranges::sort(placed, {}, &Placed::begin);
  for (std::size_t i = 1; i < placed.size(); ++i)
    if (placed[i].begin < placed[i - 1].end)
      fail_member(placed[i].member.name,
                  "overlaps member '" + shorten(placed[i - 1].member.name) + "'");
  std::vector<ZipMember> members;
  for (Placed& one : placed) members.push_back(std::move(one.member));
  return members;
}

}  // namespace ddpm
