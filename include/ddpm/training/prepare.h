#pragma once

#include "ddpm/architecture/cost.h"
#include "ddpm/config/config.h"
#include "ddpm/data/cache.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/runtime.h"

namespace ddpm {

// What training needs before its first step.
struct Prepared {
  Runtime runtime;
  ImageStore images;
  Cost cost;
};

// Sets up the device, loads the images and completes `config` with their size; logs the table of
// all settings. Throws DataError, ConfigError (also if the levels do not divide the image size) and
// DeviceError.
Prepared prepare(Config& config, CacheUse cache = CacheUse::kReadAndWrite);

}  // namespace ddpm
