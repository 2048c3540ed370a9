// What there is to know about each sampler before one is chosen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

struct SamplerFacts {
  std::string_view when = {};       // when to use it, for a list
  std::string_view scheduler = {};  // diffusers' class; empty: none
  std::string_view webui = {};      // stable-diffusion-webui's name; empty: none
  int evaluations = 1;              // of the network in a step; the last step of two has one
  bool takes_sigmas = true;         // whether sampling.sigmas may be other than schedule
  bool adds_noise = false;          // whether steps draw random numbers; ddim: only if eta > 0
  bool takes_churn = false;         // whether sampling.churn may be above 0; it draws them too
  bool takes_spacing = true;        // whether sampling.spacing chooses the timesteps
};
const SamplerFacts& facts_of(SamplerKind kind);

// The number of steps that `sampling` asks for of a process with so many timesteps.
std::int64_t step_count(const SamplingConfig& sampling, std::int64_t timesteps);

// The settings with another sampler in so many steps, without what belongs to the sampler before: its
// timesteps, noise levels, eta, churn and variance.
SamplingConfig with_sampler(SamplingConfig sampling, SamplerKind sampler, std::int64_t steps);

// The names of the samplers for which sampling.sigmas may be other than schedule, and of those for
// which sampling.churn may be above 0.
std::vector<std::string> samplers_with_sigmas();
std::vector<std::string> samplers_with_churn();

// One line for each sampler, with a head.
std::string list_of_samplers();

// A sampler, and the noise levels that its name tells.
struct NamedSampler {
  SamplerKind kind = SamplerKind::kDdpm;
  std::optional<SigmaSpacing> sigmas = {};
};

// The sampler that --sampler names: by its name here, that of diffusers' class, or
// stable-diffusion-webui's in any case, such as "DPM++ 2M Karras", which tells the noise levels too.
// Throws ConfigError, which tells the most similar name, or all.
NamedSampler find_sampler(std::string_view name);

}  // namespace ddpm
