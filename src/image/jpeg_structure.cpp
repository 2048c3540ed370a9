#include "jpeg_structure.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ddpm/base/bytes.h"
#include "jpeg_tables.h"
#include "orientation.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

// Markers: the byte after FF (ISO/IEC 10918-1, table B.1).
constexpr std::uint32_t kHuffmanTables = 0xc4;
constexpr std::uint32_t kProgressiveFrame = 0xc2;
constexpr std::uint32_t kEndOfImage = 0xd9;
constexpr std::uint32_t kStartOfScan = 0xda;
constexpr std::uint32_t kApplication1 = 0xe1;

constexpr const char* kTruncated = "truncated JPEG file";
constexpr const char* kBadTables = "damaged JPEG file (impossible Huffman tables)";
constexpr const char* kNoTables = "damaged JPEG file (a Huffman table is missing)";

std::uint32_t byte_at(Bytes bytes, std::size_t i) {
  return std::to_integer<std::uint32_t>(bytes[i]);
}

bool is_restart(std::uint32_t marker) { return marker >= 0xd0 && marker <= 0xd7; }

// Whether no segment follows the marker: restart and temporary markers, and the start of the image.
bool stands_alone(std::uint32_t marker) {
  return marker == 0x01 || is_restart(marker) || marker == 0xd8;
}

bool starts_frame(std::uint32_t marker) { return marker >= 0xc0 && marker <= 0xc2; }

// A marker with its segment. After a scan header, `end` is the end of the coded data.
struct Segment {
  std::uint32_t marker = 0;
  std::size_t begin = 0, end = 0;  // bytes of the file, marker included
  Bytes content;                   // without marker and length
  Bytes coded;                     // after a scan header

  bool is_last() const { return marker == kEndOfImage; }
};

// The position of the first marker FF xx that ends entropy-coded data. FF 00 stands for a data byte
// FF, and FF D0 to FF D7 only restart the coding.
std::size_t skip_entropy_coded(Bytes file, std::size_t i) {
  for (; i + 1 < file.size(); ++i) {
    if (file[i] != std::byte{0xff}) continue;
    const std::uint32_t next = byte_at(file, i + 1);
    if (next != 0 && next != 0xff && !is_restart(next)) break;
  }
  return i;
}

// The next segment at or after byte `i`. Bytes between segments and fill bytes are skipped, as
// decoders do. Nothing if the file ends before the segment does.
std::optional<Segment> next_segment(Bytes file, std::size_t i) {
  for (; i + 1 < file.size(); ++i) {
    const std::uint32_t marker = byte_at(file, i + 1);
    if (file[i] != std::byte{0xff} || marker == 0xff || marker == 0) continue;
    Segment segment{.marker = marker, .begin = i, .end = i + 2, .content = {}, .coded = {}};
    if (marker == kEndOfImage || stands_alone(marker)) return segment;
    if (i + 4 > file.size()) return std::nullopt;
    const std::size_t length = load_big_endian(file.subspan(i + 2, 2));
    if (length < 2 || length > file.size() - i - 2) return std::nullopt;
    segment.content = file.subspan(i + 4, length - 2);
    segment.end += length;
    if (marker == kStartOfScan) {
      const std::size_t end = skip_entropy_coded(file, segment.end);
      segment.coded = file.subspan(segment.end, end - segment.end);
      segment.end = end;
    }
    return segment;
  }
  return std::nullopt;
}

// Calls visit(segment) for one segment after the other until it returns true. Returns whether it did
// before the file ended.
template <typename Visit>
bool find_segment(Bytes file, Visit visit) {
  std::optional<Segment> segment = next_segment(file, 2);
  while (segment) {
    if (visit(*segment)) return true;
    segment = next_segment(file, segment->end);
  }
  return false;
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

  // A DHT segment of the standard tables that are not defined, which are then; empty if all are.
  std::vector<std::byte> add_standard() {
    std::vector<std::byte> missing;
    for (const std::span<const std::uint8_t> table :
         {std::span<const std::uint8_t>(kDcOfBrightness),
          {kAcOfBrightness},
          {kDcOfColor},
          {kAcOfColor}}) {
      bool& defined = defined_[table[0] >> 4][table[0] & 15];
      if (defined) continue;
      defined = true;
      std::ranges::copy(std::as_bytes(table), std::back_inserter(missing));
    }
    if (missing.empty()) return missing;
    const std::size_t length = missing.size() + 2;
    const std::array<std::byte, 4> header = {std::byte{0xff}, std::byte{kHuffmanTables},
                                             static_cast<std::byte>(length >> 8),
                                             static_cast<std::byte>(length & 0xff)};
    missing.insert(missing.begin(), header.begin(), header.end());
    return missing;
  }

 private:
  std::array<std::array<bool, 4>, 2> defined_{};  // [DC, AC][number]
};

// The coded data without restart markers and fill bytes at their end.
Bytes without_trailing_markers(Bytes coded) {
  const auto ends_in_restart = [&] {
    return coded.size() >= 2 && coded[coded.size() - 2] == std::byte{0xff} &&
           is_restart(byte_at(coded, coded.size() - 1));
  };
  while (true) {
    if (ends_in_restart())
      coded = coded.first(coded.size() - 2);
    else if (!coded.empty() && coded.back() == std::byte{0xff})
      coded = coded.first(coded.size() - 1);
    else
      return coded;
  }
}

// Collects the parts of the mended file.
class Mender {
 public:
  explicit Mender(Bytes file) : file_(file) { append(file.first(2)); }

  void add(const Segment& segment) {
    changed_ |= segment.begin != next_;
    next_ = segment.end;
    if (stands_alone(segment.marker)) {
      changed_ = true;
      return;
    }
    if (segment.marker == kHuffmanTables) static_cast<void>(tables_.define(segment.content));
    if (starts_frame(segment.marker)) progressive_ = segment.marker == kProgressiveFrame;
    if (segment.marker == kStartOfScan) add_missing_tables(segment);
    append(file_.subspan(segment.begin, segment.end - segment.begin - segment.coded.size()));
    const Bytes coded = without_trailing_markers(segment.coded);
    changed_ |= coded.size() != segment.coded.size();
    append(coded);
  }

  std::vector<std::byte> result() && {
    return changed_ ? std::move(mended_) : std::vector<std::byte>();
  }

 private:
  void append(Bytes bytes) { mended_.insert(mended_.end(), bytes.begin(), bytes.end()); }
  void add_missing_tables(const Segment& scan) {
    if (progressive_ || tables_.check_scan(scan.content, progressive_) != kNoTables) return;
    append(tables_.add_standard());
    changed_ = true;
  }

  Bytes file_;
  std::vector<std::byte> mended_;
  Tables tables_;
  std::size_t next_ = 2;  // the end of the segment before
  bool progressive_ = false, changed_ = false;
};

}  // namespace

std::string jpeg_damage(Bytes file, bool to_frame_header) {
  Tables tables;
  bool progressive = false;
  std::string damage;
  const bool found_end = find_segment(file, [&](const Segment& segment) {
    if (segment.is_last() || (to_frame_header && starts_frame(segment.marker))) return true;
    if (segment.marker == kHuffmanTables) damage = tables.define(segment.content);
    if (segment.marker == kStartOfScan) damage = tables.check_scan(segment.content, progressive);
    if (starts_frame(segment.marker)) progressive = segment.marker == kProgressiveFrame;
    return !damage.empty();
  });
  return found_end ? damage : kTruncated;
}

std::vector<std::byte> mended_jpeg(Bytes file) {
  Mender mender(file);
  const bool found_end = find_segment(file, [&](const Segment& segment) {
    mender.add(segment);
    return segment.is_last();
  });
  return found_end ? std::move(mender).result() : std::vector<std::byte>();
}

std::optional<PixelSize> jpeg_size(Bytes file) {
  std::optional<PixelSize> size;  // behind the precision: height, width
  find_segment(file, [&](const Segment& segment) {
    if (starts_frame(segment.marker) && segment.content.size() >= 5)
      size = {.width = load_big_endian(segment.content.subspan(3, 2)),
              .height = load_big_endian(segment.content.subspan(1, 2))};
    return size || segment.is_last() || segment.marker == kStartOfScan;
  });
  return size;
}

Bytes jpeg_exif(Bytes file) {
  Bytes exif;
  find_segment(file, [&](const Segment& segment) {
    const auto* text = reinterpret_cast<const char*>(segment.content.data());
    if (segment.marker == kApplication1 &&
        std::string_view(text, segment.content.size()).starts_with(kExifPrefix))
      exif = segment.content;
    return !exif.empty() || segment.is_last() || segment.marker == kStartOfScan;
  });
  return exif;
}

}  // namespace ddpm
