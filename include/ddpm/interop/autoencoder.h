// The names that other programs give the autoencoder's tensors. The network has those of diffusers.
#pragma once

#include <string>

#include "ddpm/architecture/autoencoder.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

enum class AutoencoderScheme {
  kDiffusers,  // AutoencoderKL; files of 2022 and 2023 call the attention's projections differently
  kCompvis,    // first_stage_model of CompVis and Stability AI
};

// Translates names, and between [C,C] and [C,C,1,1] for the attention's weights; the bytes are
// shared. Tensors that the network does not know keep their names, so that loading can list them.
TensorSet autoencoder_from_scheme(const TensorSet& tensors, const AutoencoderConfig& config);
TensorSet autoencoder_to_scheme(const TensorSet& own, AutoencoderScheme scheme,
                                const AutoencoderConfig& config);

// The shape of the network as its tensors show it, under any scheme's names. The scale, the size of
// tiles and the number of groups are not in the tensors and keep their defaults. Throws
// CheckpointError that says which tensor is missing.
AutoencoderConfig infer_autoencoder(const TensorSet& tensors);

}  // namespace ddpm
