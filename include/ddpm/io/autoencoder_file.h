// Files of Stable Diffusion's autoencoder.
#pragma once

#include <filesystem>
#include <optional>

#include "ddpm/architecture/autoencoder.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

struct AutoencoderFile {
  std::filesystem::path weights;
  AutoencoderConfig config;
  TensorSet tensors;  // with the network's own names (interop/autoencoder.h)
};

// Opens an autoencoder. `path` is a folder of diffusers, of AutoencoderKL or of a whole pipeline
// with `vae` in it; or a file of the autoencoder alone or of a whole model of CompVis, Stability AI
// or a merge of them. Without a config.json the shape is read off the tensors, and the scale is
// that of XL if the file holds its text encoders, else that of versions 1 and 2. Throws
// CheckpointError that says what was found instead.
AutoencoderFile open_autoencoder(const std::filesystem::path& path);

// The autoencoder of a whole model, in the same places; nothing if it has none. A file of an
// autoencoder alone is one too.
std::optional<AutoencoderFile> find_autoencoder(const std::filesystem::path& path);

}  // namespace ddpm
