#include "webp.h"

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "ddpm/base/bytes.h"

#if DDPM_WITH_WEBP
#include <webp/decode.h>
#endif

namespace ddpm {

#if DDPM_WITH_WEBP
namespace {

const std::uint8_t* webp_bytes(std::span<const std::byte> file) {
  return reinterpret_cast<const std::uint8_t*>(file.data());
}

}  // namespace

ImageInfo webp_info(std::span<const std::byte> file) {
  WebPBitstreamFeatures features;
  switch (WebPGetFeatures(webp_bytes(file), file.size(), &features)) {
    case VP8_STATUS_OK:
      break;
    case VP8_STATUS_NOT_ENOUGH_DATA:
      throw std::runtime_error("truncated WebP file");
    default:
      throw std::runtime_error("damaged WebP file");
  }
  if (features.has_animation != 0)
    throw std::runtime_error("an animated WebP file; only still pictures are read");
  return {.height = features.height,
          .width = features.width,
          .channels = features.has_alpha != 0 ? 4 : 3};
}

Image decode_webp(std::span<const std::byte> file) {
  const ImageInfo info = webp_info(file);
  Image image(info.height, info.width, info.channels);
  const auto decode = info.channels == 4 ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(webp_bytes(file), file.size(), image.pixels.data(), image.pixels.size(),
             info.width * info.channels) == nullptr)
    throw std::runtime_error("damaged or truncated WebP file");
  return image;
}

#else

ImageInfo webp_info(std::span<const std::byte>) {
  throw std::runtime_error("a WebP file, and this program was built without libwebp");
}

Image decode_webp(std::span<const std::byte> file) {
  static_cast<void>(webp_info(file));
  return {};
}

#endif

std::span<const std::byte> webp_exif(std::span<const std::byte> file) {
  constexpr std::size_t kFileHeader = 12, kChunkHeader = 8;  // "RIFF", size, "WEBP"; name, size
  std::span<const std::byte> rest = file.subspan(std::min(file.size(), kFileHeader));
  while (rest.size() >= kChunkHeader) {
    const std::uint64_t size = load_little_endian(rest.subspan(4, 4));
    if (size > rest.size() - kChunkHeader) break;
    const std::string_view name(reinterpret_cast<const char*>(rest.data()), 4);
    if (name == "EXIF") return rest.subspan(kChunkHeader, size);
    rest = rest.subspan(std::min<std::uint64_t>(rest.size(), kChunkHeader + size + size % 2));
  }
  return {};
}

}  // namespace ddpm
