// WebP by libwebp, which a build may lack (cmake/Dependencies.cmake). Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ddpm/image/codec.h"

namespace ddpm {

// Size and channels (3, or 4 with transparency) by the header. Both throw std::runtime_error that
// says why the file cannot be read: damaged, truncated, animated, or a build without libwebp.
ImageInfo webp_info(std::span<const std::byte> file);

// Decodes a file of at most kMaxImagePixels.
Image decode_webp(std::span<const std::byte> file);

// The block of Exif of the file; empty if it has none.
std::span<const std::byte> webp_exif(std::span<const std::byte> file);

}  // namespace ddpm
