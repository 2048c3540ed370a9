// Makes zip archives.
#pragma once

#include <zlib.h>

#include <string>
#include <utility>
#include <vector>

#include "ddpm/base/bytes.h"

namespace ddpm::testing {

// Deflate data without a header.
inline std::string deflate_raw(const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, static_cast<uLong>(content.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// An archive of members (name, content) in this order, stored or compressed. `unix_mode`: the kind and
// permissions of them all, as programs of Unix write them; 0: as others do.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& members,
                       bool compressed = false, std::uint32_t unix_mode = 0) {
  std::string file, directory;
  for (const auto& [name, content] : members) {
    const std::string data = compressed ? deflate_raw(content) : content;
    std::string fields;  // that both headers have
    append_little_endian(fields, 20, 2);
    append_little_endian(fields, 0, 2);
    append_little_endian(fields, compressed ? 8 : 0, 2);
    append_little_endian(fields, 0, 4);
    append_little_endian(
        fields,
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())),
        4);
    append_little_endian(fields, data.size(), 4);
    append_little_endian(fields, content.size(), 4);
    append_little_endian(fields, name.size(), 2);
    append_little_endian(fields, 0, 2);
    directory += std::string("PK\x01\x02\x14", 5) + (unix_mode > 0 ? '\x03' : '\0') + fields +
                 std::string(8, '\0');
    append_little_endian(directory, unix_mode, 2);
    append_little_endian(directory, file.size(), 4);
    directory += name;
    file += "PK\x03\x04" + fields + name + data;
  }
  std::string end("PK\x05\x06\0\0\0\0", 8);
  append_little_endian(end, members.size(), 2);
  append_little_endian(end, members.size(), 2);
  append_little_endian(end, directory.size(), 4);
  append_little_endian(end, file.size(), 4);
  append_little_endian(end, 0, 2);
  return file + directory + end;
}

}  // namespace ddpm::testing
