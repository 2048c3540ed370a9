// The fuzz targets: every reader of files that may come from strangers. libFuzzer runs them
// (scripts/fuzz.sh), and so do the ordinary tests, on the inputs in tests/fuzz/corpus.
#pragma once

#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>

namespace ddpm::testing {

struct FuzzTarget {
  std::string_view name;  // its inputs are in tests/fuzz/corpus/NAME
  // Reads one input and uses the whole result. Returns true if the input was accepted, false if it
  // was refused with a ddpm::Error that has a message. Anything else is a bug.
  bool (*accepts)(std::span<const std::byte> input);
};

// Prints the target in names and messages of tests.
inline std::ostream& operator<<(std::ostream& out, const FuzzTarget& target) {
  return out << target.name;
}

std::span<const FuzzTarget> weight_targets();
std::span<const FuzzTarget> data_targets();
std::span<const FuzzTarget> text_targets();
std::span<const FuzzTarget> fuzz_targets();  // all of them

// Throws std::out_of_range if there is no such target.
const FuzzTarget& fuzz_target(std::string_view name);

}  // namespace ddpm::testing
