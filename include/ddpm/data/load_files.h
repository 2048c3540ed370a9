// The part of load.h for image files: decodes them into a store, or takes it from the cache.
#pragma once

#include "ddpm/data/load.h"

namespace ddpm {

// See load_images. If an image cannot be used, throws DataError for the first one in sorted order.
// With on_bad_image "skip" such images are left out with a warning; if no image is left, throws
// DataError.
ImageStore load_files(const DataConfig& config, const LoadOptions& options);

}  // namespace ddpm
