// The timesteps that sampling visits, descending.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/diffusion/schedule.h"

namespace ddpm {

// The timesteps of S sampling steps, descending, 1 <= S <= T:
//   linspace:  round(linspace(0, T-1, S)), half to even (OpenAI's respacing for one section); S = 1
//              gives T-1
//   leading:   i * floor(T/S) + offset (diffusers' default; its steps_offset)
//   trailing:  round(T - i * T/S) - 1 (ends at T-1)
//   quadratic: floor(linspace(0, sqrt(0.8 T), S)^2), as Song et al., "Denoising Diffusion Implicit
//              Models", have it for CIFAR-10; S = 1 gives floor(0.8 T)
//   logsnr:    those whose noise levels are nearest to evenly spaced ln(sigma / signal), from that of
//              T-1 to that of 0; S = 1 gives T-1
// The last two would repeat early timesteps if there are many steps; then later ones take the place
// of the repeated ones. Throws ConfigError if S is out of range, or if the offset makes the first
// timestep exceed T-1.
std::vector<std::int64_t> time_grid(const NoiseSchedule& schedule, std::int64_t steps,
                                    Spacing spacing, std::int64_t offset = 0);

// Whether the text is one that respaced_grid reads, apart from its numbers' size.
bool names_sections(std::string_view text);

// The timesteps that OpenAI's space_timesteps (improved-diffusion, respace.py) names, descending:
//   "10,15,20": the timesteps are cut into as many equal sections as there are numbers, of which the
//               first are one longer if need be; each number says how many of its section are visited,
//               evenly, both ends included, and the first one alone if it is 1
//   "ddim50":   0, i, 2i, ... with the least stride i that gives 50 timesteps
// Throws ConfigError, which tells what is possible, if a section is too short, there is no such stride
// or the text is another.
std::vector<std::int64_t> respaced_grid(std::int64_t timesteps, const std::string& text);

}  // namespace ddpm
