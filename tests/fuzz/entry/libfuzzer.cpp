// One program for all targets: the environment variable DDPM_FUZZ_TARGET names the one to run.
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "fuzz/targets.h"

namespace {

const ddpm::testing::FuzzTarget& chosen_target() try {
  const char* name = std::getenv("DDPM_FUZZ_TARGET");
  return ddpm::testing::fuzz_target(name != nullptr ? name : "");
} catch (const std::exception& error) {
  std::cerr << "DDPM_FUZZ_TARGET: " << error.what() << '\n';
  std::exit(1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ddpm::testing::FuzzTarget& target = chosen_target();
  target.accepts(std::as_bytes(std::span(data, size)));
  return 0;
}
