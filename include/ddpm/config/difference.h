// What changed between the config of a checkpoint and the config it is to continue with.
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

// Keys that define what is being trained and therefore must not change within a run; to be refused
// if not empty.
std::vector<Difference> frozen_differences(const Config& before, const Config& after);

// The other keys that differ: allowed, worth a line in the log.
std::vector<Difference> free_differences(const Config& before, const Config& after);

// Both, those first.
std::vector<Difference> all_differences(const Config& before, const Config& after);

}  // namespace ddpm
