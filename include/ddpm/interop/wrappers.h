// What other programs put before the names of a network's tensors.
#pragma once

#include <string>

#include "ddpm/config/choices.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// CompVis and Stability keep OpenAI's network below this.
inline constexpr const char* kCompVisPrefix = "model.diffusion_model.";

// The set without `prefix` before each name; tensors without it are left out.
TensorSet without_prefix(const TensorSet& set, const std::string& prefix);

// The network's tensors without the prefixes of CompVis or DataParallel; of CompVis's files the
// average, if it is wanted and there.
TensorSet unwrap(const TensorSet& set, WeightSet weights);

}  // namespace ddpm
