// Prepares sampling from a config.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/config/config.h"
#include "ddpm/diffusion/sampler.h"

namespace ddpm {

// The classes of images first .. first + count - 1 of seed `seed`, int64 [count]: all are
// sampling.class_label, or that of image i is drawn from (seed, i). Undefined for an unconditional
// network. Throws ConfigError if there is no such class, or none can be drawn.
torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device);

// The variance to sample with: the trained process's own, but fixed_small instead of fixed_large
// for fewer than T steps, where the latter adds far too much noise (FID 13 -> 367 at 10 steps on
// CIFAR-10; Song et al., "DDIM", table 1).
Variance variance_for_steps(Variance trained, std::int64_t steps, std::int64_t timesteps);

// The plan with which `ddpm sample` and the previews sample. `sampling` is config.sampling or a
// variation of it. If the variance is not that of the trained process (see variance_for_steps),
// this is logged.
SamplerPlan sampler_plan_for(const Config& config, const SamplingConfig& sampling);

}  // namespace ddpm
