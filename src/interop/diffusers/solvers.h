// Schedulers of diffusers other than DDPMScheduler and DDIMScheduler, as samplers.
#pragma once

#include <string>

#include "ddpm/config/config.h"
#include "ddpm/formats/json_keys.h"

namespace ddpm {

// Sets sampling.* by the config of a scheduler whose sampler is known here, and returns "". Otherwise
// changes nothing and returns the reason, such as "solver_type = \"heun\" is not supported".
std::string apply_solver(JsonKeys& keys, const std::string& class_name, Config& config);

}  // namespace ddpm
