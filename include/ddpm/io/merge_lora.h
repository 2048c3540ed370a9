// Applies the low-rank changes of a file to weights (interop/lora.h).
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <span>
#include <vector>

#include "ddpm/interop/lora.h"

namespace ddpm {

// Adds strength * factor * up * down to the weights, where weights[i] is that of module i: [out,in]
// or [out,in,k,k], of any floating-point type and on any device. Sums are float32. Throws
// CheckpointError that names the tensor if one does not have the shape of its weight; then nothing
// is changed.
void merge_lora(std::span<const LoraUpdate> updates, double strength,
                std::span<const torch::Tensor> weights, const std::filesystem::path& path);

}  // namespace ddpm
