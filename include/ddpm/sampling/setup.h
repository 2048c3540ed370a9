// Prepares sampling from a config.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <span>

#include "ddpm/config/config.h"
#include "ddpm/diffusion/guidance.h"
#include "ddpm/diffusion/inpainting.h"
#include "ddpm/diffusion/sampler.h"

namespace ddpm {

// The classes of images first .. first + count - 1 of seed `seed`, int64 [count]: image i has entry i
// of `classes`, which begins again at its end; without a list all are sampling.class_label or, if
// that is -1, the class of image i is drawn from (seed, i). Undefined for an unconditional network.
// Throws ConfigError if there is no such class, or none can be drawn.
torch::Tensor class_labels(const Config& config, std::uint64_t seed, std::uint64_t first,
                           std::int64_t count, torch::Device device,
                           std::span<const std::int64_t> classes = {});

// The guidance that the config asks for; none if sampling.guidance is 1. `guide` may be empty: then
// the network guides itself, away from `negative` where it has a text, else from the negative class.
// Throws ConfigError if the network has nothing to lead away from.
std::optional<Guidance> guidance_for(const Config& config, const Predictor& guide,
                                     torch::Device device, const Condition& negative = {});

// Throws ConfigError unless predictions of `guide` are for the same images, classes and noise as those
// of `model`, so that guidance can subtract them.
void check_guide(const Config& model, const Config& guide);

// The variance to sample with: the trained process's own, but fixed_small instead of fixed_large
// for fewer than T steps, where the latter adds far too much noise (FID 13 -> 367 at 10 steps on
// CIFAR-10; Song et al., "DDIM", table 1).
Variance variance_for_steps(Variance trained, std::int64_t steps, std::int64_t timesteps);

// The plan with which `ddpm sample` and the previews sample. `sampling` is config.sampling or a
// variation of it; it says which rows have guidance. If the variance is not that of the trained process (see variance_for_steps),
// this is logged.
SamplerPlan sampler_plan_for(const Config& config, const SamplingConfig& sampling);

// The same for a picture with noise instead of noise alone: of S steps the last floor(S * strength) are
// made. 0 < strength <= 1; throws ConfigError too if that is no step.
SamplerPlan picture_plan_for(const Config& config, const SamplingConfig& sampling, double strength);

// The plan that draws a part of a picture. Jumps are RePaint's; a variance by the network becomes
// fixed_small with them, which is logged. With strength 1 that part begins as noise alone.
SamplerPlan inpainting_plan_for(const Config& config, const SamplingConfig& sampling,
                                double strength, const Jumps& jumps);

// DDIM from clean images to noise, and back without noise and clipping, so that nothing is lost.
SamplerPlan inversion_plan_for(const Config& config, const SamplingConfig& sampling);
SamplerPlan reconstruction_plan_for(const Config& config, const SamplingConfig& sampling);

// (sin((1 - w) h) a + sin(w h) b) / sin(h) for images a and b [N,C,H,W] and the angle h between them,
// each image by itself: noise of the usual size between two of it. Where they have nearly one
// direction it is (1 - w) a + w b. Shoemake, "Animating Rotation with Quaternion Curves".
torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double w);

}  // namespace ddpm
