// Brings images of any size and kind to the one shape of a store.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/image/image.h"

namespace ddpm {

// The shapes of images in a store and in a batch, and what conversion to them needs.
struct StoreShape {
  int stored_height = 0;  // pixels
  int stored_width = 0;
  int height = 0;  // in a batch: the stored size, or less if random windows are taken
  int width = 0;
  int channels = 0;
  Rgb background = {};  // under transparent pixels, if `channels` has no alpha

  std::size_t image_bytes() const {
    return static_cast<std::size_t>(stored_height) * static_cast<std::size_t>(stored_width) *
           static_cast<std::size_t>(channels);
  }
};

// Whether the settings give no size, so that images keep theirs.
bool keeps_natural_size(const DataConfig& config);

// The shape that the settings ask for; where they say nothing, that of the data. Throws ConfigError
// for crop "random" without a size.
StoreShape resolve_shape(const DataConfig& config, int natural_height, int natural_width,
                         int natural_channels);

// The shape, if the settings or the source (embedded, cifar10, cifar100) determine it without
// reading images.
std::optional<StoreShape> known_shape(const DataConfig& config);

// Writes the image, converted to the shape's channels and stored size, to `out`
// [stored_height,stored_width,channels].
void fit_image(const Image& image, const StoreShape& shape, std::span<std::uint8_t> out);

// Throws DataError if `count` images do not fit into the memory that is free (base/machine.h).
void check_memory(std::size_t count, const StoreShape& shape);

}  // namespace ddpm
