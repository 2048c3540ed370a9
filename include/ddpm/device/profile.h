// Measures where a GPU spends its time.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ddpm {

struct KernelTime {
  std::string name;
  std::int64_t calls = 0;
  double milliseconds = 0;  // all calls together
};

// Records what a GPU does from construction to stop(), which must be called exactly once. Only one
// may exist at a time.
class KernelProfiler {
 public:
  explicit KernelProfiler(torch::Device device);
  // Waits for the device and returns the time of every kernel and copy, longest first; empty on the
  // CPU.
  std::vector<KernelTime> stop();

 private:
  torch::Device device_;
};

}  // namespace ddpm
