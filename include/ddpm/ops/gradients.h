#pragma once

#include <torch/types.h>

#include <span>

namespace ddpm::ops {

// Copies every source into the target of equal shape, or adds it there. Undefined sources are left
// out: what they would say is zero. Targets are views of one flat buffer, dense and channels last
// where sources are.
void gather(std::span<const torch::Tensor> sources, std::span<const torch::Tensor> targets,
            bool accumulate);

}  // namespace ddpm::ops
