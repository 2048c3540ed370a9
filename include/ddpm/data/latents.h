// Images that an autoencoder has made, in a safetensors file (docs/formats/latents.md).
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

// Reads the file data.path: a tensor `latents` [N,C,H,W] of floating-point numbers, which are
// multiplied by the number in its metadata `scale`, and optionally `labels` [N] int64. The images
// are stored as float32. Throws DataError if it is something else or does not have the size that
// the config demands.
ImageStore load_latents(const DataConfig& config);

}  // namespace ddpm
