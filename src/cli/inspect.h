// Parts of `ddpm inspect`.
#pragma once

#include <nlohmann/json.hpp>

#include "command.h"

namespace ddpm::cli {

using Json = nlohmann::ordered_json;

// What differs between two models: settings, names and shapes of tensors, values. `weights` is ema
// or raw. Throws CheckpointError, ConfigError.
Json describe_difference(const std::string& path_a, const std::string& path_b,
                         const std::string& weights);

}  // namespace ddpm::cli
