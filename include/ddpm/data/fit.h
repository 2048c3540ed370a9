// How images of any size and kind become the one shape of a store.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/image/image.h"

namespace ddpm {

// Shape of the images in a store and of the images of a batch.
struct StoreShape {
  int stored_height = 0;  // pixels
  int stored_width = 0;
  int height = 0;  // at most the stored size; less where a random window is taken
  int width = 0;
  int channels = 0;

  std::size_t image_bytes() const {
    return static_cast<std::size_t>(stored_height) * static_cast<std::size_t>(stored_width) *
           static_cast<std::size_t>(channels);
  }
};

// Whether the settings leave the size to the data.
bool keeps_natural_size(const DataConfig& config);

// The shape that the settings ask for, given what the data are like. Throws ConfigError for crop
// "random" without a size.
StoreShape resolve_shape(const DataConfig& config, int natural_height, int natural_width,
                         int natural_channels);

// The shape, where the settings or the source (embedded, cifar10) say it without a look at the
// images.
std::optional<StoreShape> known_shape(const DataConfig& config);

// Writes the image, converted to the shape's channels and stored size, to `out`
// [stored_height,stored_width,channels].
void fit_image(const Image& image, const StoreShape& shape, std::span<std::uint8_t> out);

// Throws DataError if so many images cannot fit into the memory of this machine.
void check_memory(std::size_t count, const StoreShape& shape);

}  // namespace ddpm
