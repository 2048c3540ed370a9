// Differences between the config of a checkpoint and the config with which the run continues.
#pragma once

#include <string>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

struct Difference {
  std::string path;    // "model.base_width"
  std::string before;  // values as JSON text
  std::string after;
};

// The differing keys that say what is trained and so must not change within a run. If there are
// any, the run must not continue.
std::vector<Difference> frozen_differences(const Config& before, const Config& after);

// The other differing keys. These changes are allowed and logged.
std::vector<Difference> free_differences(const Config& before, const Config& after);

// All differing keys, the frozen ones first.
std::vector<Difference> all_differences(const Config& before, const Config& after);

}  // namespace ddpm
