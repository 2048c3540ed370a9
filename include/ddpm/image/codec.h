// Reads PNG, JPEG, WebP and BMP files and writes PNG. Files may be hostile, so the signature is checked
// first, the claimed size is limited before anything is decoded, and incomplete files are refused
// (the decoder would fill the rest with grey).
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

// Limits of images to decode.
inline constexpr int kMaxImageSide = 16384;
inline constexpr long long kMaxImagePixels = 64LL << 20;

// Size and channels from the header of an image file.
struct ImageInfo {
  int height = 0;
  int width = 0;
  int channels = 0;  // as stored: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA
};

// Cameras store rows as their sensor has them, and say in the Exif block of the file how the picture
// is to be turned. `upright`: the picture as viewers show it; else rows as they lie in the file.

// Reads the header without decoding. Throws DataError "<name>: <reason>", or only the reason if the
// name is empty.
ImageInfo read_image_info(std::span<const std::byte> file, const std::string& name,
                          bool upright = true);

// Decodes the image with as many channels as stored. Grey with alpha becomes RGBA, 16-bit samples
// lose their low byte, palettes are resolved. Throws DataError "<name>: <reason>".
Image decode_image(std::span<const std::byte> file, const std::string& name, bool upright = true);
Image read_image(const std::filesystem::path& path, bool upright = true);

// The extensions of image files, in lower case.
inline constexpr std::array<std::string_view, 7> kImageExtensions = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp"};

// Whether the extension is one of these, in upper or lower case.
bool has_image_extension(const std::filesystem::path& path);

// The texts of a PNG file: a keyword of 1..79 printable characters of ASCII or Latin-1, and a text in
// UTF-8 without NUL.
using PngText = std::vector<std::pair<std::string, std::string>>;

// A PNG file of the image with these texts. The same input gives the same bytes.
// Texts are tEXt chunks, and those that are not ASCII iTXt chunks, as other programs write them.
// Throws std::invalid_argument for an empty image, channels other than 1, 3 or 4, or a keyword or text
// the format forbids.
std::string encode_png(const Image& image, const PngText& text = {});

// The same, written atomically. Throws IoError too.
void write_png(const std::filesystem::path& path, const Image& image, const PngText& text = {});

// The texts of a PNG file in order: tEXt chunks, whose Latin-1 becomes UTF-8, and iTXt chunks that are
// not compressed. Throws DataError.
PngText read_png_text(std::span<const std::byte> file, const std::string& name);
PngText read_png_text(const std::filesystem::path& path);

}  // namespace ddpm
