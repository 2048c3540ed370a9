// The default data set, which is compiled into the program: IDX files, compressed with gzip. The
// build generates its source from src/data/embedded/ (cmake/Embed.cmake).
#pragma once

#include <cstddef>
#include <span>

namespace ddpm {

std::span<const std::byte> embedded_images_gz();  // uint8 [N,H,W]
std::span<const std::byte> embedded_labels_gz();  // uint8 [N]

}  // namespace ddpm
