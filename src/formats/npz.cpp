#include "ddpm/formats/npz.h"

#include <zlib.h>

#include <limits>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/formats/npy.h"

namespace ddpm {
namespace {

void put16(std::string& out, std::uint32_t value) { append_little_endian(out, value, 2); }
void put32(std::string& out, std::uint32_t value) { append_little_endian(out, value, 4); }

struct Member {
  std::string name;
  std::uint32_t crc = 0;
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
};

// Fields that the local and the central header share, from "version needed" to the name's length.
std::string common_fields(const Member& member) {
  std::string fields;
  put16(fields, 20);  // version 2.0
  put16(fields, 0);   // flags
  put16(fields, 0);   // stored, not compressed
  put16(fields, 0);   // time 00:00
  put16(fields, 33);  // 1 January 1980: the same bytes for the same images
  put32(fields, member.crc);
  put32(fields, member.size);
  put32(fields, member.size);
  put16(fields, static_cast<std::uint32_t>(member.name.size()));
  put16(fields, 0);  // no extra field
  return fields;
}

std::string central_entry(const Member& member) {
  std::string entry("PK\x01\x02", 4);
  put16(entry, 20);
  entry += common_fields(member);
  put16(entry, 0);  // comment
  put16(entry, 0);  // disk
  put16(entry, 0);  // attributes
  put32(entry, 0);
  put32(entry, member.offset);
  return entry + member.name;
}

std::uint32_t checksum(const std::string& header, std::span<const std::byte> bytes) {
  uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size());
  return static_cast<std::uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

void write_npz(const fs::path& path, std::span<const NpzArray> arrays) {
  std::uint64_t total = 0;
  for (const NpzArray& array : arrays) total += array.bytes.size() + 4096;
  if (total > std::numeric_limits<std::uint32_t>::max())
    throw IoError(
        format_text("'{}': {} bytes do not fit an .npz file; write safetensors or fewer images",
                    path.string(), total));

  FileWriter writer(path);
  const auto write = [&](const std::string& text) { writer.write(std::as_bytes(std::span(text))); };
  std::string directory;
  std::uint32_t offset = 0;
  for (const NpzArray& array : arrays) {
    const std::string header = npy_header(array.type, array.shape);
    const Member member{array.name + ".npy", checksum(header, array.bytes),
                        static_cast<std::uint32_t>(header.size() + array.bytes.size()), offset};
    const std::string local =
        std::string("PK\x03\x04", 4) + common_fields(member) + member.name + header;
    write(local);
    writer.write(array.bytes);
    offset += static_cast<std::uint32_t>(local.size() + array.bytes.size());
    directory += central_entry(member);
  }
  std::string end("PK\x05\x06", 4);
  put32(end, 0);  // disks
  put16(end, static_cast<std::uint32_t>(arrays.size()));
  put16(end, static_cast<std::uint32_t>(arrays.size()));
  put32(end, static_cast<std::uint32_t>(directory.size()));
  put32(end, offset);
  put16(end, 0);
  write(directory + end);
  writer.finish();
}

}  // namespace ddpm
