#pragma once

#include "ddpm/architecture/cost.h"
#include "ddpm/config/config.h"
#include "ddpm/data/cache.h"
#include "ddpm/data/image_store.h"
#include "ddpm/device/runtime.h"
#include "ddpm/distributed/process_group.h"

namespace ddpm {

// What training needs before its first step.
struct Prepared {
  Runtime runtime;
  ImageStore images;
  Cost cost;
};

// Sets up the device, loads the images and completes `config` with their size, the names of their
// classes and the precision that run.precision = auto means here; logs the settings. Throws
// DataError, ConfigError (also if the levels do not divide the image size) and DeviceError, unless
// `force` also if training clearly needs more memory than is free. With several processes (`group` is not
// null), throws ConfigError if this one has another program, config or other images than rank 0.
Prepared prepare(Config& config, bool force, CacheUse cache = CacheUse::kReadAndWrite,
                 ProcessGroup* group = nullptr);

}  // namespace ddpm
