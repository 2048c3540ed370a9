#pragma once

#include <torch/types.h>

#include <span>

namespace ddpm::ops {

// Copies every source into its target of the same shape, or adds it there. An undefined source
// counts as zero and is skipped. Targets are views of one flat buffer, dense, and channels last if
// their source is.
void gather(std::span<const torch::Tensor> sources, std::span<const torch::Tensor> targets,
            bool accumulate);

}  // namespace ddpm::ops
