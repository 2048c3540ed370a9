// stb_image and stb_image_write, private to codec.cpp. They are compiled as static functions, so
// that they cannot clash with another copy in the process, and with only the decoders that are used
// here.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace ddpm {

// The largest allowed image needs 512 MiB: 64 Mi pixels of 16-bit RGBA. A compressed stream that
// needs more is a bomb, and the decoder reports "outofmem" for it.
inline constexpr std::size_t kMaxDecoderAllocation = std::size_t{768} << 20;

inline void* limited_malloc(std::size_t size) {
  return size <= kMaxDecoderAllocation ? std::malloc(size) : nullptr;
}

inline void* limited_realloc(void* pointer, std::size_t size) {
  return size <= kMaxDecoderAllocation ? std::realloc(pointer, size) : nullptr;
}

}  // namespace ddpm

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) ::ddpm::limited_malloc(size)
#define STBI_REALLOC(pointer, size) ::ddpm::limited_realloc(pointer, size)
#define STBI_FREE(pointer) ::std::free(pointer)
#include <stb_image.h>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

#pragma GCC diagnostic pop
