// The default data set, compiled into the program: IDX files, gzip'd. Defined by a file that the
// build generates from src/data/embedded/ (cmake/Embed.cmake).
#pragma once

#include <cstddef>
#include <span>

namespace ddpm {

std::span<const std::byte> embedded_images_gz();  // uint8 [N,H,W]
std::span<const std::byte> embedded_labels_gz();  // uint8 [N]

}  // namespace ddpm
