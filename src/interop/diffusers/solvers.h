// Schedulers of diffusers other than DDPMScheduler and DDIMScheduler, as samplers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ddpm/config/config.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {

// Sets sampling.* by the config of a scheduler whose sampler is known here, and returns "". Otherwise
// changes nothing and returns the reason, such as "solver_type = \"heun\" is not supported".
std::string apply_solver(JsonKeys& keys, const std::string& class_name, Config& config);

// diffusers' class for the sampler, which is neither ddpm nor ddim. Throws ConfigError if there is none.
std::string solver_class(SamplerKind kind);

// The keys that the class has beside those of every scheduler: how it clips, its noise levels, and
// which solver it is. Throws ConfigError with a setting that the class cannot represent.
nlohmann::json solver_keys(const Config& config);

}  // namespace ddpm
