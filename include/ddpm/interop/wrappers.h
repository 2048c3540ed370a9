// Removes the prefixes that other programs put before the names of a network's tensors.
#pragma once

#include <string>

#include "ddpm/config/choices.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// CompVis and Stability put this prefix before the names of OpenAI's network.
inline constexpr const char* kCompVisPrefix = "model.diffusion_model.";

// The tensors whose names begin with `prefix`, with the prefix removed.
TensorSet without_prefix(const TensorSet& set, const std::string& prefix);

// The network's tensors without the prefixes of CompVis or DataParallel. From CompVis's files it
// takes the averaged weights, unless `weights` is kRaw or the file does not hold them all.
TensorSet unwrap(const TensorSet& set, WeightSet weights);

}  // namespace ddpm
