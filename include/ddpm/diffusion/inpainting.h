// Drawing a part of a picture anew while the rest is kept: a change of a sampler's table.
#pragma once

#include <cstdint>

#include "ddpm/diffusion/sampler.h"

namespace ddpm {

// Sets in each row the noise level that the kept pixels have after its step: that of the next row,
// and no noise after the last. So the generator replaces them in every step by the picture with its
// noise (x_t^known of Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic
// Models", equation 8).
SamplerPlan keep_known_pixels(SamplerPlan plan);

struct Jumps {
  std::int64_t length = 10;  // steps to go back
  std::int64_t times = 10;   // how often each stretch of steps is made; 1: there are no jumps
};

// RePaint: after every `length` steps, but not in the first ones, the image gets the noise of
// `length` steps again, and they are repeated, so that the new pixels can agree with the kept ones.
// The noise is added in the row of the step before it: a jump costs no evaluation. Throws
// ConfigError if the rows have a memory, which a jump would make wrong (multistep samplers, those
// of two stages), or a variance by the network.
SamplerPlan repaint(const SamplerPlan& plan, const Jumps& jumps);

// Whether repaint takes the plan.
bool can_jump(const SamplerPlan& plan);

}  // namespace ddpm
