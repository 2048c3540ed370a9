// Checks a JPEG file before stb_image may read it, and mends what other decoders accept and
// stb_image does not. Releases of stb_image before 2.28, which distributions still ship, write beyond
// their Huffman tables if a file claims more than 256 codes, and read tables that no segment has
// defined. Private to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "file_structure.h"

namespace ddpm {

// Walks from segment to segment, as the decoder does, to the end-of-image marker;
// `to_frame_header`: only to the frame header, which has the size of the image. Returns why the
// file must not be decoded (truncated, impossible or missing Huffman tables), or an empty text. The
// file starts with JPEG's signature.
std::string jpeg_damage(std::span<const std::byte> file, bool to_frame_header);

// The file without what only stb_image stumbles over: restart markers after the last data of a scan,
// and bytes between segments. Huffman tables that a sequential scan needs and the file does not have
// are added (jpeg_tables.h). Returns nothing if the file needs no change, or ends before its
// end-of-image marker.
std::vector<std::byte> mended_jpeg(std::span<const std::byte> file);

// The size in the first frame header; nothing if there is none.
std::optional<PixelSize> jpeg_size(std::span<const std::byte> file);

// The block of Exif of the file, with its prefix; empty if it has none.
std::span<const std::byte> jpeg_exif(std::span<const std::byte> file);

}  // namespace ddpm
