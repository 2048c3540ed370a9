// Scores that papers have published, to compare one's own with.
#pragma once

#include <cstdint>
#include <optional>

#include "ddpm/config/choices.h"

namespace ddpm::cli {

// The FID of 50,000 images of Ho et al.'s CIFAR-10 network, which has 1000 timesteps, with this sampler
// and number of steps: Song et al., "Denoising Diffusion Implicit Models", table 1. Nothing if it is
// not there.
std::optional<double> published_fid(SamplerKind sampler, std::int64_t steps);

}  // namespace ddpm::cli
