#include "ddpm/data/load.h"

#include <utility>

#include "arrays.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/data/fit.h"
#include "ddpm/data/image_files.h"
#include "ddpm/data/latents.h"
#include "ddpm/data/load_files.h"
#include "wrong_source.h"

namespace ddpm {
namespace {

// Brings every image to the wanted shape.
std::vector<std::uint8_t> fit_all(const ArrayData& data, const StoreShape& shape,
                                  const LoadOptions& options) {
  const std::size_t count = data.labels.size();
  if (!options.force) check_memory(count, shape);
  std::vector<std::uint8_t> pixels(count * shape.image_bytes());
  for_each_image(count, options.work, /*stop_at_first=*/true, [&](std::size_t i) {
    Image image(data.height, data.width, data.channels);
    const auto first = data.pixels.begin() + static_cast<std::ptrdiff_t>(i * image.pixels.size());
    std::copy_n(first, image.pixels.size(), image.pixels.begin());
    const std::span<std::uint8_t> all(pixels);
    fit_image(image, shape, all.subspan(i * shape.image_bytes(), shape.image_bytes()));
  });
  return pixels;
}

ImageStore to_store(ArrayData data, const DataConfig& config, const LoadOptions& options) {
  const StoreShape shape = resolve_shape(config, data.height, data.width, data.channels);
  const bool fits = shape.stored_height == data.height && shape.stored_width == data.width &&
                    shape.channels == data.channels;
  std::vector<std::uint8_t> pixels = fits ? std::move(data.pixels) : fit_all(data, shape, options);
  return ImageStore({.stored_height = shape.stored_height,
                     .stored_width = shape.stored_width,
                     .channels = shape.channels,
                     .height = shape.height,
                     .width = shape.width,
                     .class_names = std::move(data.class_names),
                     .source = std::move(data.source)},
                    std::move(pixels), std::move(data.labels));
}

}  // namespace

ImageStore load_images(const DataConfig& config, const LoadOptions& options) {
  if (config.source != DataSource::kEmbedded && config.path.empty())
    throw DataError(format_text("data.source \"{}\" needs data.path", config.source));
  return explain_wrong_source(config, [&] {
    if (config.source == DataSource::kLatents) return load_latents(config);
    return is_array(config.source) ? to_store(load_array(config), config, options)
                                   : load_files(config, options);
  });
}

}  // namespace ddpm
