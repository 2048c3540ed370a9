// Parts of `ddpm inspect`.
#pragma once

#include "command.h"
#include "json_text.h"

namespace ddpm::cli {

// What differs between two models: settings, names and shapes of tensors, values. `weights` is ema
// or raw. Throws CheckpointError, ConfigError.
Json describe_difference(const std::string& path_a, const std::string& path_b,
                         const std::string& weights);

}  // namespace ddpm::cli
