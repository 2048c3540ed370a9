#include "orientation.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ddpm/base/bytes.h"

namespace ddpm {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kOrientationTag = 0x0112;
constexpr std::uint64_t kShort = 3, kLong = 4;  // types of values: 16 and 32 bits

// Reads the numbers of a TIFF file, which says in its first bytes how they are ordered.
class Tiff {
 public:
  explicit Tiff(Bytes bytes) : bytes_(bytes), big_endian_(number_is(0, "MM")) {}

  bool is_valid() const { return (big_endian_ || number_is(0, "II")) && number(2, 2) == 42; }
  // Nothing if it lies outside the block.
  std::optional<std::uint64_t> number(std::uint64_t offset, std::uint64_t width) const {
    if (offset > bytes_.size() || width > bytes_.size() - offset) return std::nullopt;
    const Bytes part = bytes_.subspan(offset, width);
    return big_endian_ ? load_big_endian(part) : load_little_endian(part);
  }

 private:
  bool number_is(std::size_t offset, std::string_view text) const {
    return bytes_.size() >= offset + text.size() &&
           std::equal(text.begin(), text.end(),
                      bytes_.begin() + static_cast<std::ptrdiff_t>(offset),
                      [](char c, std::byte b) {
                        return static_cast<unsigned char>(c) == std::to_integer<unsigned char>(b);
                      });
  }

  Bytes bytes_;
  bool big_endian_;
};

}  // namespace

int exif_orientation(Bytes exif) noexcept {
  if (std::string_view(reinterpret_cast<const char*>(exif.data()), exif.size())
          .starts_with(kExifPrefix))
    exif = exif.subspan(kExifPrefix.size());
  const Tiff tiff(exif);
  if (!tiff.is_valid()) return 1;
  const std::uint64_t directory = tiff.number(4, 4).value_or(0);
  const std::uint64_t count = tiff.number(directory, 2).value_or(0);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t entry = directory + 2 + 12 * i;
    if (tiff.number(entry, 2) != kOrientationTag) continue;
    const std::uint64_t type = tiff.number(entry + 2, 2).value_or(0);
    if (type != kShort && type != kLong) return 1;
    const std::uint64_t value = tiff.number(entry + 8, type == kShort ? 2 : 4).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image turn_upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = is_transposed(orientation);
  Image upright(transposed ? image.width : image.height, transposed ? image.height : image.width,
                image.channels);
  // From which side the stored rows and columns are counted.
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x) {
      const int row = transposed ? x : y, column = transposed ? y : x;
      const std::uint8_t* from = image.at(from_bottom ? image.height - 1 - row : row,
                                          from_right ? image.width - 1 - column : column);
      std::copy_n(from, image.channels, upright.at(y, x));
    }
  }
  return upright;
}

}  // namespace ddpm
