// What is fuzzed: every reader of files that may come from strangers. Used by libFuzzer
// (scripts/fuzz.sh) and, over the kept inputs, by the ordinary tests.
#pragma once

#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>

namespace ddpm::testing {

struct FuzzTarget {
  std::string_view name;  // its inputs lie in tests/fuzz/corpus/NAME
  // Reads one input and uses all of what comes out. True if it was accepted, false if it was
  // refused with a ddpm::Error that has a message; whatever else happens is a bug.
  bool (*accepts)(std::span<const std::byte> input);
};

// How tests call it.
inline std::ostream& operator<<(std::ostream& out, const FuzzTarget& target) {
  return out << target.name;
}

std::span<const FuzzTarget> fuzz_targets();

// Throws std::out_of_range.
const FuzzTarget& fuzz_target(std::string_view name);

}  // namespace ddpm::testing
