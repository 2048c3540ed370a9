// The values that completion offers.
#pragma once

#include <string>
#include <vector>

#include "ddpm/config/fields.h"

namespace ddpm::cli {

// Of an option of that long name, "--precision", in any command; empty if it takes anything.
std::vector<std::string> values_of_option(const std::string& name);

// Of a config key; empty if it takes anything.
std::vector<std::string> values_of_key(const Field& field);

}  // namespace ddpm::cli
