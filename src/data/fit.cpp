#include "ddpm/data/fit.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/log.h"
#include "ddpm/base/machine.h"
#include "ddpm/config/color.h"
#include "ddpm/formats/cifar.h"
#include "ddpm/image/resize.h"

namespace ddpm {

bool keeps_natural_size(const DataConfig& config) {
  return config.height == 0 && config.width == 0;
}

StoreShape resolve_shape(const DataConfig& config, int natural_height, int natural_width,
                         int natural_channels) {
  StoreShape shape;
  const auto [red, green, blue] = parse_color(config.background);
  shape.background = {red, green, blue};
  shape.channels = config.channels > 0 ? static_cast<int>(config.channels) : natural_channels;
  if (keeps_natural_size(config)) {
    shape.height = natural_height;
    shape.width = natural_width;
  } else {
    // If only one side is given, the image is square.
    shape.height = static_cast<int>(config.height > 0 ? config.height : config.width);
    shape.width = static_cast<int>(config.width > 0 ? config.width : config.height);
  }
  shape.stored_height = shape.height;
  shape.stored_width = shape.width;
  if (config.crop == Crop::kRandom) {
    if (keeps_natural_size(config))
      throw ConfigError("data.crop \"random\" needs a size: set data.height (and data.width)");
    shape.stored_height = side_with_crop_margin(shape.height);
    shape.stored_width = side_with_crop_margin(shape.width);
  }
  return shape;
}

std::optional<StoreShape> known_shape(const DataConfig& config) {
  constexpr int kEmbeddedSide = 16;
  if (config.source == DataSource::kEmbedded)
    return resolve_shape(config, kEmbeddedSide, kEmbeddedSide, /*natural_channels=*/1);
  if (config.source == DataSource::kCifar10 || config.source == DataSource::kCifar100)
    return resolve_shape(config, Cifar::kSide, Cifar::kSide, Cifar::kChannels);
  if (keeps_natural_size(config) || config.channels == 0) return std::nullopt;
  return resolve_shape(config, 0, 0, 0);
}

void fit_image(const Image& image, const StoreShape& shape, std::span<std::uint8_t> out) {
  const Image converted = convert_channels(image, shape.channels, shape.background);
  const Image fitted = resize_and_center_crop(converted, shape.stored_height, shape.stored_width);
  std::copy(fitted.pixels.begin(), fitted.pixels.end(), out.begin());
}

void check_memory(std::size_t count, const StoreShape& shape) {
  const double needed = static_cast<double>(count) * static_cast<double>(shape.image_bytes());
  const UsableMemory memory = usable_memory();
  if (needed < memory.free) return;
  throw DataError(format_text(
      "{} image{} of {}x{} pixels need {} of memory, but only {} are free of the {} {}: lower data.height "
      "and data.width, or try it all the same with --force",
      with_thousands(static_cast<long long>(count)), count == 1 ? "" : "s", shape.stored_width,
      shape.stored_height, format_bytes(needed), format_bytes(memory.free),
      format_bytes(memory.total), memory.whose));
}

}  // namespace ddpm
