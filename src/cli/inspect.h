// Parts of `ddpm inspect`.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "ddpm/config/choices.h"
#include "json_text.h"

namespace ddpm::cli {

// What differs between two models: settings, names and shapes of tensors, values. Without `weights`
// the averaged ones are compared. Throws CheckpointError.
Json describe_difference(const std::string& path_a, const std::string& path_b,
                         std::optional<WeightSet> weights);

// A description for people: "key: value" lines, where the JSON has numbers with names.
std::string description_text(const Json& result);

}  // namespace ddpm::cli
