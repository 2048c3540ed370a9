// Checks a JPEG file before stb_image may read it. Releases of stb_image before 2.28, which
// distributions still ship, write beyond their Huffman tables if a file claims more than 256 codes,
// and read tables that no segment has defined. Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ddpm {

// Walks from segment to segment, as the decoder does, to the end-of-image marker;
// `to_frame_header`: only to the frame header, which has the size of the image. Returns why the
// file must not be decoded (truncated, impossible or missing Huffman tables), or an empty text. The
// file starts with JPEG's signature.
std::string jpeg_damage(std::span<const std::byte> file, bool to_frame_header);

}  // namespace ddpm
