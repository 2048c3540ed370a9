// Each target is a program of its own: DDPM_FUZZ_TARGET is its name (tests/CMakeLists.txt).
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ddpm::testing::FuzzTarget& target = ddpm::testing::fuzz_target(DDPM_FUZZ_TARGET);
  target.accepts(std::as_bytes(std::span(data, size)));
  return 0;
}
