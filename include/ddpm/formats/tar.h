// Reads tar archives (ustar, pax and GNU long names) from beginning to end. It never writes to
// disk, returns regular members only, and trusts nothing: header checksums are verified, names that
// are absolute or leave the archive's folder by ".." are refused, and sizes are limited before
// memory is allocated. Archives that were put together by `cat a.tar b.tar` are read as one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/formats/byte_reader.h"

namespace ddpm {

struct TarLimits {
  std::uint64_t max_members = 1'000'000;                    // headers of any kind
  std::uint64_t max_member_bytes = std::uint64_t{1} << 30;  // of one member
};

struct TarMember {
  std::string name;          // relative, '/'-separated, without a leading "./"
  std::uint64_t size = 0;    // bytes
  std::uint64_t offset = 0;  // of its content in the uncompressed archive
};

//   TarReader tar(*open_data_file("images.tar.gz"));
//   while (auto member = tar.next()) use(member->name, tar.read());
// Every function throws DataError "<archive>: ..." for damaged, hostile or oversized archives.
class TarReader {
 public:
  // Is called with the name of each link, symbolic or hard, which `next` passes over.
  using OnLink = std::function<void(const std::string& name)>;

  // `source` must outlive this object.
  explicit TarReader(ByteReader& source, TarLimits limits = {}, OnLink on_link = {});

  // The next regular file, or nothing at the end. An unread rest of the one before is skipped.
  std::optional<TarMember> next();

  // The content of the member that `next` returned last. To be called once per member.
  std::vector<std::uint8_t> read();

 private:
  // Values that a long-name or pax header gives for the member after it.
  struct Overrides {
    std::string name;
    std::optional<std::uint64_t> size;
  };

  bool read_header(std::vector<std::uint8_t>& header);
  void apply_extension(char type, std::uint64_t size, Overrides& overrides);
  void skip_to_next_header();
  bool find_next_archive(std::vector<std::uint8_t>& header);
  std::size_t read_block(std::vector<std::uint8_t>& block);
  std::vector<std::uint8_t> take(std::uint64_t size, const char* what);
  [[noreturn]] void fail(const std::string& reason) const;

  ByteReader& source_;
  TarLimits limits_;
  OnLink on_link_;
  std::uint64_t headers_ = 0;
  std::uint64_t position_ = 0;  // bytes read from the source
  std::uint64_t unread_ = 0;    // bytes of the current member still in the source
  std::uint64_t padding_ = 0;   // bytes after it, up to a multiple of 512
};

}  // namespace ddpm
