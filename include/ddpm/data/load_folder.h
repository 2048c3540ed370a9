// The folder part of load.h: decodes image files into a store, through the cache.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/data/folder.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

// See load_images. An image that cannot be used ends it with DataError, always the first one in
// sorted order, or, with on_bad_image "skip", is left out with a warning; if none is left, that is
// a DataError too.
ImageStore load_folder(const DataConfig& config, const WorkOptions& options);

}  // namespace ddpm
