#include "jpeg_structure.h"

#include <array>
#include <cstdint>

#include "ddpm/base/bytes.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

// Markers: the byte after FF (ISO/IEC 10918-1, table B.1).
constexpr std::uint32_t kHuffmanTables = 0xc4;
constexpr std::uint32_t kProgressiveFrame = 0xc2;
constexpr std::uint32_t kEndOfImage = 0xd9;
constexpr std::uint32_t kStartOfScan = 0xda;

constexpr const char* kTruncated = "truncated JPEG file";
constexpr const char* kBadTables = "damaged JPEG file (impossible Huffman tables)";
constexpr const char* kNoTables = "damaged JPEG file (a Huffman table is missing)";

std::uint32_t byte_at(Bytes bytes, std::size_t i) {
  return std::to_integer<std::uint32_t>(bytes[i]);
}

// Whether no segment follows the marker: restart and temporary markers, and the start of the image.
bool stands_alone(std::uint32_t marker) {
  return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

bool starts_frame(std::uint32_t marker) { return marker >= 0xc0 && marker <= 0xc2; }

// The position of the first marker FF xx that ends entropy-coded data. FF 00 stands for a data byte
// FF, and FF D0 to FF D7 only restart the coding.
std::size_t skip_entropy_coded(Bytes file, std::size_t i) {
  for (; i + 1 < file.size(); ++i) {
    if (file[i] != std::byte{0xff}) continue;
    const std::uint32_t next = byte_at(file, i + 1);
    if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) break;
  }
  return i;
}

// Records which tables have been defined, and checks that a scan's tables are among them.
class Tables {
 public:
  // Reads a DHT segment: class and number, how many codes of each length 1 to 16, symbols.
  std::string define(Bytes segment) {
    constexpr std::size_t kHeader = 17;
    // With 256 codes the index 255 would be a code, but stb_image uses 255 to mark "none".
    constexpr std::uint32_t kMostCodes = 255;
    while (!segment.empty()) {
      if (segment.size() < kHeader) return kBadTables;
      const std::uint32_t table_class = byte_at(segment, 0) >> 4, number = byte_at(segment, 0) & 15;
      std::uint32_t codes = 0;
      for (std::size_t i = 1; i < kHeader; ++i) codes += byte_at(segment, i);
      if (table_class > 1 || number > 3 || codes > kMostCodes || kHeader + codes > segment.size())
        return kBadTables;
      defined_[table_class][number] = true;
      segment = segment.subspan(kHeader + codes);
    }
    return "";
  }

  // Reads an SOS segment: count, then each component with its DC and AC tables, then the range of
  // coefficients and the bit positions.
  std::string check_scan(Bytes segment, bool progressive) const {
    const std::size_t count = segment.empty() ? 0 : byte_at(segment, 0);
    if (segment.size() != 4 + 2 * count) return "damaged JPEG file (wrong scan header)";
    const bool first_of_dc = byte_at(segment, 2 * count + 3) >> 4 == 0;
    const bool has_dc = byte_at(segment, 2 * count + 1) == 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t tables = byte_at(segment, 2 + 2 * i);
      const std::uint32_t dc = tables >> 4, ac = tables & 15;
      if (dc > 3 || ac > 3) return kNoTables;
      const bool needs_dc = !progressive || (has_dc && first_of_dc);
      const bool needs_ac = !progressive || !has_dc;
      if ((needs_dc && !defined_[0][dc]) || (needs_ac && !defined_[1][ac])) return kNoTables;
    }
    return "";
  }

 private:
  std::array<std::array<bool, 4>, 2> defined_{};  // [DC, AC][number]
};

}  // namespace

std::string jpeg_damage(Bytes file, bool to_frame_header) {
  Tables tables;
  bool progressive = false;
  std::size_t i = 2;
  while (i + 1 < file.size()) {
    const std::uint32_t marker = byte_at(file, i + 1);
    // Bytes between segments and fill bytes are skipped, as decoders do.
    if (file[i] != std::byte{0xff} || marker == 0xff || marker == 0) {
      ++i;
      continue;
    }
    i += 2;
    if (marker == kEndOfImage || (to_frame_header && starts_frame(marker))) return "";
    if (stands_alone(marker)) continue;
    if (i + 2 > file.size()) break;
    const std::size_t length = load_big_endian(file.subspan(i, 2));
    if (length < 2 || length > file.size() - i) break;
    const Bytes segment = file.subspan(i + 2, length - 2);
    std::string damage;
    if (marker == kHuffmanTables) damage = tables.define(segment);
    if (marker == kStartOfScan) damage = tables.check_scan(segment, progressive);
    if (!damage.empty()) return damage;
    if (starts_frame(marker)) progressive = marker == kProgressiveFrame;
    i += length;
    if (marker == kStartOfScan) i = skip_entropy_coded(file, i);
  }
  return kTruncated;
}

}  // namespace ddpm
