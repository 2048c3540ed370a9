#include "fuzz/targets.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace ddpm::testing {

std::span<const FuzzTarget> fuzz_targets() {
  static const std::vector<FuzzTarget> kTargets = [] {
    std::vector<FuzzTarget> all;
    for (const auto& part : {weight_targets(), data_targets(), text_targets()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return kTargets;
}

const FuzzTarget& fuzz_target(std::string_view name) {
  const auto targets = fuzz_targets();
  const auto found = std::ranges::find(targets, name, &FuzzTarget::name);
  if (found == targets.end())
    throw std::out_of_range("there is no fuzz target '" + std::string(name) + "'");
  return *found;
}

}  // namespace ddpm::testing
