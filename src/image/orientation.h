// The orientation that cameras write beside a picture (Exif 2.32, tag 274): sensors are read in one
// way however the camera is held, and viewers turn the picture. Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "ddpm/image/image.h"

namespace ddpm {

// What a block of Exif begins with in JPEG files, and in the WebP files of some programs.
inline constexpr std::string_view kExifPrefix("Exif\0\0", 6);

// The orientation 1 to 8 in a block of Exif (a TIFF header with its first directory, with or
// without the prefix); 1, which
// changes nothing, if the block is empty, damaged or has no such tag. A library such as libexif would
// read every tag; the one number does not need its code for hostile files.
int exif_orientation(std::span<const std::byte> exif) noexcept;

// Whether that orientation exchanges height and width.
constexpr bool is_transposed(int orientation) { return orientation >= 5; }

// The picture as it should be seen. 1: as it is; 2: mirrored; 3: turned by 180 degrees; 4: upside
// down; 5: transposed; 6: turned clockwise; 7: transposed along the other diagonal; 8: turned
// anticlockwise.
Image turn_upright(Image image, int orientation);

}  // namespace ddpm
