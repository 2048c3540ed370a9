#include "ddpm/image/codec.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "file_structure.h"
#include "jpeg_structure.h"
#include "orientation.h"
#include "stb_codecs.h"
#include "webp.h"

namespace ddpm {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30;

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw DataError(name.empty() ? reason : name + ": " + reason);
}

// stb's error texts are short and for programmers, so they stand in brackets after words for users.
std::string decoder_reason() {
  const char* reason = stbi_failure_reason();
  return std::string("damaged or unsupported image (") +
         (reason != nullptr ? reason : "no reason given") + ")";
}

const stbi_uc* stb_bytes(std::span<const std::byte> file) {
  return reinterpret_cast<const stbi_uc*>(file.data());
}

template <typename Read>
auto read_webp(const std::string& name, Read read) {
  try {
    return read();
  } catch (const std::runtime_error& error) {
    fail(name, error.what());
  }
}

// Copies pixels from the decoder; two channels (grey and alpha) become four.
Image to_image(const stbi_uc* pixels, int height, int width, int channels) {
  Image image(height, width, channels == 2 ? 4 : channels);
  if (channels != 2) {
    std::copy_n(pixels, image.pixels.size(), image.pixels.begin());
    return image;
  }
  for (std::size_t i = 0; i < image.pixels.size() / 4; ++i) {
    std::fill_n(&image.pixels[4 * i], 3, pixels[2 * i]);
    image.pixels[4 * i + 3] = pixels[2 * i + 1];
  }
  return image;
}

void check_not_too_large(const PixelSize& size, const std::string& name) {
  // The sides come first, so that the product cannot overflow.
  if (size.width > kMaxImageSide || size.height > kMaxImageSide ||
      size.width * size.height > kMaxImagePixels)
    fail(name,
         format_text("too large: it claims {}x{} pixels, but at most {} a side and {} Mi pixels "
                     "are allowed",
                     size.width, size.height, kMaxImageSide, kMaxImagePixels >> 20));
}

ImageInfo stored_info(std::span<const std::byte> file, const std::string& name) {
  if (file_format(file) == FileFormat::kWebp)
    return read_webp(name, [&] { return webp_info(file); });
  if (file_format(file) == FileFormat::kJpeg)
    if (const std::string damage = jpeg_damage(file, /*to_frame_header=*/true); !damage.empty())
      fail(name, damage);
  ImageInfo info;
  const int size = static_cast<int>(file.size());
  if (stbi_info_from_memory(stb_bytes(file), size, &info.width, &info.height, &info.channels) != 1)
    fail(name, decoder_reason());
  // A negative height in a BMP file says that its first row is the top one.
  if (file_format(file) == FileFormat::kBmp && info.height < 0 && info.height >= -kMaxImageSide)
    info.height = -info.height;
  return info;
}

Image decode_stored(std::span<const std::byte> file, const std::string& name) {
  if (file_format(file) == FileFormat::kWebp)
    return read_webp(name, [&] { return decode_webp(file); });
  std::vector<std::byte> mended;
  if (file_format(file) == FileFormat::kJpeg) mended = mended_jpeg(file);
  if (!mended.empty()) file = mended;
  if (const std::string damage = structural_damage(file); !damage.empty()) fail(name, damage);
  int width = 0;
  int height = 0;
  int channels = 0;
  const int size = static_cast<int>(file.size());
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(stb_bytes(file), size, &width, &height, &channels, 0), stbi_image_free);
  if (pixels == nullptr) fail(name, decoder_reason());
  return to_image(pixels.get(), height, width, channels);
}

void check_text(const std::string& keyword, const std::string& text) {
  const bool edge_space = keyword.starts_with(' ') || keyword.ends_with(' ');
  const auto printable = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 32 && byte <= 126) || byte >= 161;
  };
  if (keyword.empty() || keyword.size() > 79 || edge_space ||
      !std::all_of(keyword.begin(), keyword.end(), printable))
    throw std::invalid_argument("'" + keyword + "' is not a keyword for a PNG text");
  if (text.find('\0') != std::string::npos || valid_utf8(text) != text)
    throw std::invalid_argument("a PNG text must be UTF-8 and cannot contain NUL");
}

std::string text_chunk(const std::string& keyword, const std::string& text) {
  check_text(keyword, text);
  const bool is_ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  if (is_ascii) return make_png_chunk("tEXt", keyword + '\0' + text);
  // No compression, and neither a language nor a translated keyword.
  return make_png_chunk("iTXt", keyword + std::string(5, '\0') + text);
}

std::string utf8_of_latin1(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xC0 | (byte >> 6));
      result += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return result;
}

// What follows the keyword of an iTXt chunk: flag and method of compression, language and translated
// keyword, each ended by NUL, and the text. Nothing if it is compressed or broken.
std::optional<std::string> international_text(std::string_view rest) {
  if (rest.size() < 2 || rest[0] != '\0') return std::nullopt;
  rest.remove_prefix(2);
  for (int field = 0; field < 2; ++field) {
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(end + 1);
  }
  return valid_utf8(rest);
}

}  // namespace

ImageInfo read_image_info(std::span<const std::byte> file, const std::string& name, bool upright) {
  if (file.empty()) fail(name, "empty file (0 bytes)");
  if (file_format(file) == FileFormat::kUnknown) fail(name, no_image_reason(file));
  if (file.size() > kMaxFileBytes) fail(name, "file is larger than 1 GiB");
  // Of such a picture the decoder only says that it does not know its type.
  if (const auto size = claimed_size(file)) check_not_too_large(*size, name);
  ImageInfo info = stored_info(file, name);
  if (info.width < 1 || info.height < 1) fail(name, "the image has no pixels");
  check_not_too_large({.width = static_cast<std::uint64_t>(info.width),
                       .height = static_cast<std::uint64_t>(info.height)},
                      name);
  if (upright && is_transposed(exif_orientation(find_exif(file))))
    std::swap(info.height, info.width);
  return info;
}

Image decode_image(std::span<const std::byte> file, const std::string& name, bool upright) {
  static_cast<void>(read_image_info(file, name, /*upright=*/false));  // throws for a bad header
  Image image = decode_stored(file, name);
  if (!upright) return image;
  return turn_upright(std::move(image), exif_orientation(find_exif(file)));
}

Image read_image(const fs::path& path, bool upright) {
  const MappedFile file = map_file<DataError>(path);
  return decode_image(file.bytes(), path.string(), upright);
}

bool has_image_extension(const fs::path& path) {
  return std::ranges::find(kImageExtensions, lower_case(path.extension().string())) !=
         kImageExtensions.end();
}

std::string encode_png(const Image& image, const PngText& text) {
  if (image.pixels.empty()) throw std::invalid_argument("cannot write an image without pixels");
  if (!is_channel_count(image.channels))
    throw std::invalid_argument("a PNG file has 1, 3 or 4 channels, not " +
                                std::to_string(image.channels));
  int size = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> bytes(
      stbi_write_png_to_mem(image.pixels.data(), image.width * image.channels, image.width,
                            image.height, image.channels, &size),
      std::free);
  if (bytes == nullptr) throw std::bad_alloc();
  std::string png(reinterpret_cast<const char*>(bytes.get()), static_cast<std::size_t>(size));
  std::string chunks;
  for (const auto& [keyword, value] : text) chunks += text_chunk(keyword, value);
  // Texts come directly after the header, where readers find them without reading the pixels.
  constexpr std::size_t kSignatureAndHeader = 8 + 12 + 13;
  return png.insert(kSignatureAndHeader, chunks);
}

void write_png(const fs::path& path, const Image& image, const PngText& text) {
  write_file_atomically(path, encode_png(image, text));
}

PngText read_png_text(std::span<const std::byte> file, const std::string& name) {
  PngText text;
  if (file_format(file) != FileFormat::kPng) fail(name, "not a PNG file");
  const std::string damage =
      for_each_png_chunk(file, [&](std::string_view type, std::string_view data) {
        const std::size_t end = data.find('\0');
        if (end == std::string_view::npos) return;
        const std::string_view keyword = data.substr(0, end), rest = data.substr(end + 1);
        if (type == "tEXt") text.emplace_back(keyword, utf8_of_latin1(rest));
        if (type != "iTXt") return;
        if (std::optional<std::string> value = international_text(rest))
          text.emplace_back(keyword, std::move(*value));
      });
  if (!damage.empty()) fail(name, damage);
  return text;
}

PngText read_png_text(const fs::path& path) {
  const MappedFile file = map_file<DataError>(path);
  return read_png_text(file.bytes(), path.string());
}

}  // namespace ddpm
