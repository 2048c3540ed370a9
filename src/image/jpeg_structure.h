// What must hold of a JPEG file before stb_image may see it. Its releases before 2.28, which
// distributions still ship, write beyond their Huffman tables if a file claims more than 256 codes,
// and read tables that no segment has defined. Private to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ddpm {

// Walks from segment to segment, as the decoder does, to the end-of-image marker, or only to the
// frame header, which is as far as the size of the image needs. Returns why the file must not be
// decoded: truncated, impossible or missing Huffman tables; empty if nothing is wrong. The file
// starts with JPEG's signature.
std::string jpeg_damage(std::span<const std::byte> file, bool to_frame_header);

}  // namespace ddpm
